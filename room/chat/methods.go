package chat

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"

	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/shares"
	"webim/room/wire"
)

// A method is one call: how it runs, and its implementation, which returns the JSON of the result.
type method struct {
	rpc.Kind
	run               func(c *Chat, call *rpc.Call) ([]byte, error)
	needsCurrentState bool // see needsCurrentState
}

// needsCurrentState marks the methods for which an answer of the State is a permission that lasts, or that no membership confirms: they put
// users on rosters, forget rooms with their bans, or read rooms of which only the roster says that the caller may. While this
// node's copy of the State is old, they get engine.ErrStateOld: see engine.Copier.
func needsCurrentState(m method) method { m.needsCurrentState = true; return m }

// methods has all calls by name. This is the only place that lists them; doc.go says how to add one.
var methods = map[string]method{
	"send":     define((*Chat).send, rpc.Kind{Class: policy.ClassSend}),
	"edit":     define((*Chat).edit, rpc.Kind{Class: policy.ClassSend}),
	"delete":   define((*Chat).delete, rpc.Kind{Class: policy.ClassSend}),
	"react":    define((*Chat).react, rpc.Kind{Class: policy.ClassSend}),
	"typing":   define((*Chat).typing, rpc.Kind{Class: policy.ClassTyping, Prompt: true}),
	"mark":     define((*Chat).mark, rpc.Kind{Class: policy.ClassTyping}),
	"marks":    define((*Chat).marks, rpc.Kind{Class: policy.ClassRead}),
	"messages": define((*Chat).messages, rpc.Kind{Class: policy.ClassRead}),

	"rooms":        define((*Chat).rooms, rpc.Kind{Class: policy.ClassRead}),
	"sync":         needsCurrentState(define((*Chat).sync, rpc.Kind{Class: policy.ClassRead})),
	"room.create":  needsCurrentState(define((*Chat).create, rpc.Kind{Class: policy.ClassRPC})),
	"room.direct":  needsCurrentState(define((*Chat).direct, rpc.Kind{Class: policy.ClassRPC})),
	"room.join":    needsCurrentState(define((*Chat).join, rpc.Kind{Class: policy.ClassJoin})),
	"room.leave":   needsCurrentState(define((*Chat).leave, rpc.Kind{Class: policy.ClassRPC})),
	"room.decline": define((*Chat).decline, rpc.Kind{Class: policy.ClassRPC}),
	"room.invite":  needsCurrentState(define((*Chat).invite, rpc.Kind{Class: policy.ClassRPC})),
	"room.set":     define((*Chat).set, rpc.Kind{Class: policy.ClassRPC}),
	"room.info":    define((*Chat).info, rpc.Kind{Class: policy.ClassRead}),
	"members":      define((*Chat).members, rpc.Kind{Class: policy.ClassRead}),

	"kick":      define((*Chat).kick, rpc.Kind{Class: policy.ClassRPC}),
	"ban":       define((*Chat).ban, rpc.Kind{Class: policy.ClassRPC}),
	"unban":     define((*Chat).unban, rpc.Kind{Class: policy.ClassRPC}),
	"mute":      define((*Chat).mute, rpc.Kind{Class: policy.ClassRPC}),
	"unmute":    define((*Chat).unmute, rpc.Kind{Class: policy.ClassRPC}),
	"sanctions": define((*Chat).sanctions, rpc.Kind{Class: policy.ClassRPC}),
}

// Knows implements rpc.Caller.
func (c *Chat) Knows(name string) (rpc.Kind, bool) {
	m, known := methods[name]
	return m.Kind, known
}

// Call implements rpc.Caller.
func (c *Chat) Call(call *rpc.Call) ([]byte, error) {
	m := methods[call.Method]
	if m.needsCurrentState && call.Hub.Judge().IsStateOld() {
		return nil, clientError(engine.ErrStateOld)
	}
	return m.run(c, call)
}

// define makes a method of a function with a request of the type Q and a result of the type R.
// Both are JSON objects.
func define[Q, R any](f func(c *Chat, ctx context.Context, call *rpc.Call, q *Q) (R, error), kind rpc.Kind) method {
	return method{Kind: kind, run: func(c *Chat, call *rpc.Call) ([]byte, error) {
		q := new(Q)
		if err := wire.Strict(call.Data, q); err != nil {
			return nil, err
		}
		if r, ok := any(q).(interface{ normalise() error }); ok {
			if err := r.normalise(); err != nil {
				return nil, err
			}
		}
		result, err := f(c, call.Context(), call, q)
		if err != nil {
			return nil, clientError(err)
		}
		return json.Marshal(result)
	}}
}

// clientError returns an error as the client gets it: errors of the engine become codes of the
// protocol.
func clientError(err error) error {
	var code wire.ErrorCode
	var end wire.DisconnectCode
	if errors.As(err, &code) || errors.As(err, &end) {
		return err
	}
	return shares.ClientError(err)
}
