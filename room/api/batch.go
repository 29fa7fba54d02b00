package api

import (
	"context"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room/wire"
)

type batchRequest struct {
	// Each command has one field, named after its method, and optionally a numeric id, which webim
	// copies into the reply.
	Commands []map[string]jsontext.Value `json:"commands"`
	Parallel bool                        `json:"parallel"`
}

type batchResult struct {
	// Each reply has the command's id and one field, named after the method, or error.
	Replies []map[string]any `json:"replies"`
}

// atOnce limits how many commands of a parallel batch run at the same time.
const atOnce = 16

func (h *Handler) batch(ctx context.Context, q *batchRequest) (*batchResult, error) {
	if len(q.Commands) > h.cfg.MaxCommands {
		return nil, bad("there are more than " + strconv.Itoa(h.cfg.MaxCommands) + " commands")
	}
	res := &batchResult{Replies: make([]map[string]any, len(q.Commands))}
	if !q.Parallel {
		for i, c := range q.Commands {
			res.Replies[i] = h.reply(ctx, c)
		}
		return res, nil
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i, c := range q.Commands {
		places <- struct{}{}
		wg.Go(func() {
			res.Replies[i] = h.reply(ctx, c)
			<-places
		})
	}
	wg.Wait()
	return res, nil
}

// reply runs one command of a batch.
func (h *Handler) reply(ctx context.Context, c map[string]jsontext.Value) map[string]any {
	out := map[string]any{}
	if text, there := c["id"]; there {
		var id uint32
		if err := json.Unmarshal(text, &id); err != nil {
			out["error"] = bad("the id is not a number from 0 to 4294967295")
			return out
		}
		out["id"] = id
		delete(c, "id")
	}
	if len(c) != 1 {
		out["error"] = bad("a command has one field besides its id: the method")
		return out
	}
	for name, body := range c {
		m, known := methods[name]
		if !known || m.bare { // a batch must not contain a batch
			out["error"] = coded(wire.ErrMethodNotFound, "there is no method "+quoted(name))
		} else if result, failed := h.call(ctx, m, body, strict); failed != nil {
			out["error"] = failed
		} else {
			out[name] = result
		}
	}
	return out
}
