package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room/wire"
)

// linesPath is where commands come one behind the other in a body, and replies
// go back so: the first form of Centrifugo's API, which some of its client
// libraries still speak, the one for Go among them.
const linesPath = "/api"

// lineCommand is one of the commands.
type lineCommand struct {
	ID     uint32         `json:"id"`
	Method string         `json:"method"`
	Params jsontext.Value `json:"params"`
}

// lineReply is what became of it: one of result and error.
type lineReply struct {
	ID     uint32 `json:"id,omitzero"`
	Error  *Error `json:"error,omitzero"`
	Result any    `json:"result,omitzero"`
}

// lines obeys the commands in their order. Where the body is broken nothing of
// it is done.
func (h *Handler) lines(w http.ResponseWriter, r *http.Request, body []byte) {
	commands, failed := h.readLines(body)
	if failed != nil {
		write(w, http.StatusOK, failure{failed})
		return
	}
	var out []byte
	for _, c := range commands {
		reply := lineReply{ID: c.ID}
		if m, known := methods[c.Method]; !known || m.bare {
			reply.Error = coded(wire.ErrMethodNotFound, "there is no method "+quoted(c.Method))
		} else if reply.Result, reply.Error = h.call(r.Context(), m, orEmpty(c.Params), lenient); reply.Error != nil {
			reply.Result = nil
		}
		line, err := json.Marshal(reply, json.Deterministic(true))
		if err != nil {
			line, _ = json.Marshal(lineReply{ID: c.ID, Error: coded(wire.ErrInternal, "")})
		}
		out = append(append(out, line...), '\n')
	}
	writeBytes(w, http.StatusOK, bytes.TrimSuffix(out, []byte("\n")))
}

// readLines reads all the commands of a body.
func (h *Handler) readLines(body []byte) (all []lineCommand, failed *Error) {
	in := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		var c lineCommand
		err := json.UnmarshalDecode(in, &c, strict)
		switch {
		case errors.Is(err, io.EOF) && len(all) > 0:
			return all, nil
		case errors.Is(err, io.EOF):
			return nil, bad("there is no command")
		case err != nil:
			return nil, bad(wire.Fault(err))
		case len(all) == h.cfg.MaxCommands:
			return nil, bad("there are more than " + strconv.Itoa(h.cfg.MaxCommands) + " commands")
		}
		all = append(all, c)
	}
}

// orEmpty is a request's body; nothing is {}.
func orEmpty(body []byte) []byte {
	if len(body) == 0 {
		return []byte("{}")
	}
	return body
}
