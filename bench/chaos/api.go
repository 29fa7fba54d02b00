package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// callTimeout limits a call of the server API.
const callTimeout = 10 * time.Second

// call calls the server API of a node.
func (l *lab) call(ctx context.Context, node int, method string, params, result any) error {
	_, internal := l.nodes[node].where()
	if internal == "" {
		return fmt.Errorf("node %d does not listen", node)
	}
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+internal+"/api/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", l.key)
	res, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Error *struct {
			Code    int
			Message string
		}
		Result json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %s: %w", method, res.Status, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %d %s", method, answer.Error.Code, answer.Error.Message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// page is the number of publications in one reply of the server API.
const page = 500

// log reads the whole log of a room from a node.
func (l *lab) log(ctx context.Context, node int, room string) (*history, error) {
	whole := &history{}
	since := position{}
	for {
		params := map[string]any{"channel": room, "limit": page}
		if len(whole.Publications) > 0 {
			params["since"] = map[string]any{"epoch": since.epoch, "offset": since.offset}
		}
		var part history
		if err := l.call(ctx, node, "history", params, &part); err != nil {
			return nil, err
		}
		whole.Epoch, whole.Offset = part.Epoch, part.Offset
		whole.Publications = append(whole.Publications, part.Publications...)
		if len(part.Publications) < page {
			return whole, nil
		}
		since = position{part.Epoch, part.Publications[len(part.Publications)-1].Offset}
	}
}

// wholeLog is log, again and again for as long as nodes may take to catch up: on a machine with other work, a node may need longer
// for a page than a call may take.
func (l *lab) wholeLog(ctx context.Context, node int, room string) (h *history, err error) {
	until := l.now() + l.opts.CatchUp
	for {
		if h, err = l.log(ctx, node, room); err == nil || l.now() > until || !l.waitUntil(ctx, l.now()+again) {
			return h, err
		}
	}
}

// end returns the end of a room's log as a node knows it.
func (l *lab) end(ctx context.Context, node int, room string) (position, error) {
	var h history
	err := l.call(ctx, node, "history", map[string]any{"channel": room, "limit": 0}, &h)
	return position{h.Epoch, h.Offset}, err
}
