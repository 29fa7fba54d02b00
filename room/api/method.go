package api

import (
	"context"
	"reflect"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

// A method is one thing that can be asked for.
type method struct {
	name string
	call func(h *Handler, ctx context.Context, body []byte, how json.Options) (any, error)
	bare bool // its result is the answer itself
	note bool // it takes something from users: the log says so

	needs room.Action // of a moderator's token, in all rooms; noAction: a key

	request, result reflect.Type // for the description's test
}

// noAction opens a method to nobody but who has a key.
const noAction room.Action = 255

// methods are all of them, by name.
var methods map[string]*method

func init() { // not above: batch looks methods up
	methods = map[string]*method{}
	for _, m := range []*method{
		define("publish", (*Handler).publish),
		define("broadcast", (*Handler).broadcast),
		define("send", (*Handler).send),
		define("subscribe", (*Handler).subscribe),
		define("unsubscribe", (*Handler).unsubscribe),
		noted(needs(room.ActKick, define("disconnect", (*Handler).disconnect))),
		define("refresh", (*Handler).refresh),
		noted(define("revoke", (*Handler).revoke)),
		needs(room.ActHistory, define("history", (*Handler).history)),
		noted(needs(room.ActManage, define("history_remove", (*Handler).historyRemove))),
		needs(room.ActPresence, define("presence", (*Handler).presence)),
		needs(room.ActPresence, define("presence_stats", (*Handler).presenceStats)),
		needs(room.ActKick, define("channels", (*Handler).channels)),
		needs(room.ActKick, define("info", (*Handler).info)),
		needs(room.ActBan, define("ban", (*Handler).ban)),
		needs(room.ActBan, define("unban", (*Handler).unban)),
		needs(room.ActMute, define("mute", (*Handler).mute)),
		needs(room.ActMute, define("unmute", (*Handler).unmute)),
		needs(room.ActKick, define("kick", (*Handler).kick)),
		needs(room.ActBan, define("sanctions", (*Handler).sanctions)),
		bare(define("batch", (*Handler).batch)),
	} {
		methods[m.name] = m
	}
}

// How a request is read. The older form has clients that send fields with
// capital letters, or for nobody, as null: gocent does.
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
			if err = json.Unmarshal(withoutNeutral(body, reflect.TypeFor[Q]()), q, how); err != nil {
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

func needs(a room.Action, m *method) *method { m.needs = a; return m }

func noted(m *method) *method { m.note = true; return m }
func bare(m *method) *method  { m.bare = true; return m }

// maxNote is the most of a request that the log keeps, in bytes.
const maxNote = 1 << 10

// call calls a method. No error that clients should not see gets out.
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
		h.told.Warn("api: a call is refused", "method", m.name, "by", callerOf(ctx), "reason", e.Message, "see", "api_key_rights, rooms (allow), the token's role")
	}
	if e.Code == uint32(wire.ErrInternal) {
		h.cfg.Logger.Error("api", "method", m.name, "err", err)
	}
	return nil, e
}

// wait calls what is answered later, and waits for the answer.
func wait[T any](ctx context.Context, start func(done func(T, error))) (T, error) {
	type answer struct {
		value T
		err   error
	}
	come := make(chan answer, 1)
	start(func(value T, err error) { come <- answer{value, err} })
	select {
	case a := <-come:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// waitFor is wait where there is nothing but an error.
func waitFor(ctx context.Context, start func(done func(error))) error {
	_, err := wait(ctx, func(done func(empty, error)) {
		start(func(err error) { done(empty{}, err) })
	})
	return err
}

// empty is a result that says no more than that all is well.
type empty struct{}
