package api

import (
	"context"
	"reflect"

	"github.com/go-json-experiment/json"

	"webim/room/internal/neutral"
	"webim/room/policy"
	"webim/room/wire"
)

// A method is one method of the API.
type method struct {
	name string
	call func(h *Handler, ctx context.Context, body []byte, how json.Options) (any, error)
	bare bool // the result is the whole response body
	note bool // it takes something from users, so each call is logged

	needs policy.Action // the action that a moderator's token must allow in all rooms; noAction means that the method needs a key

	request, result reflect.Type // for the test of openapi.json
}

// noAction marks a method that only a key opens.
const noAction policy.Action = 255

// The options for reading a request. Clients of the older form, such as gocent, send field names
// with capital letters, and null for an unset field.
var (
	strict  = json.RejectUnknownMembers(true)
	lenient = json.MatchCaseInsensitiveNames(true)
)

// define makes a method of a function.
func define[Q, R any](name string, f func(*Handler, context.Context, *Q) (*R, error)) *method {
	m := &method{name: name, needs: noAction, request: reflect.TypeFor[Q](), result: reflect.TypeFor[R]()}
	m.call = func(h *Handler, ctx context.Context, body []byte, how json.Options) (any, error) {
		q := new(Q)
		if err := json.Unmarshal(body, q, how); err != nil {
			q = new(Q)
			if err = json.Unmarshal(neutral.Without(body, reflect.TypeFor[Q]()), q, how); err != nil {
				return nil, bad(wire.Fault(err))
			}
		}
		normalise(q)
		if err := h.mayAsk(ctx, name, m.needs, q); err != nil {
			return nil, err
		}
		return f(h, ctx, q)
	}
	return m
}

// maxNote limits the bytes of a request that the log shows.
const maxNote = 1 << 10

// call calls a method. It logs internal errors and returns them without their details.
func (h *Handler) call(ctx context.Context, m *method, body []byte, how json.Options) (any, *Error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	result, err := m.call(h, ctx, body, how)
	if err == nil {
		if m.note {
			h.cfg.Logger.Info("api", "method", m.name, "by", callerOf(ctx), "request", string(body[:min(len(body), maxNote)]))
		}
		return result, nil
	}
	e := errorOf(err)
	if e.Code == uint32(wire.ErrPermissionDenied) {
		h.told.Warn("api: refused a call", "method", m.name, "by", callerOf(ctx), "reason", e.Message, "see", "api_key_rights, rooms (allow), the token's role")
	}
	if e.Code == uint32(wire.ErrBadRequest) {
		h.told.Info("api: refused a call that is not valid", "method", m.name, "by", callerOf(ctx), "reason", e.Message)
	}
	if e.Code == uint32(wire.ErrInternal) {
		h.told.Error("api", "method", m.name, "err", err)
	}
	return nil, e
}

// empty is the result of a method that returns nothing.
type empty struct{}
