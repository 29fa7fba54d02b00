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

// linesPath is the path of the older form of Centrifugo's API. The body has one command after the
// other, and the response one reply after the other. Some of Centrifugo's client libraries still
// use it, among them the one for Go.
const linesPath = "/api"

// lineCommand is one command.
type lineCommand struct {
	ID     uint32         `json:"id"`
	Method string         `json:"method"`
	Params jsontext.Value `json:"params"`
}

// lineReply is the reply to a command. It has result or error.
type lineReply struct {
	ID     uint32 `json:"id,omitzero"`
	Error  *Error `json:"error,omitzero"`
	Result any    `json:"result,omitzero"`
}

// lines runs the commands in order. If the body is not valid, no command runs.
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

// readLines reads all commands of a body.
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

// orEmpty returns the body, or {} if it is empty.
func orEmpty(body []byte) []byte {
	if len(body) == 0 {
		return []byte("{}")
	}
	return body
}
