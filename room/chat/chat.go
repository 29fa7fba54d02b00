package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/shares"
	"webim/room/wire"
)

// Chat implements the calls; it is a room.Caller. Its only state of its own is the rates of
// invitations. One Chat may serve several hubs.
type Chat struct {
	invitations invitations
}

// New returns a Chat.
func New() *Chat { return &Chat{} }

// A method is one call: how it runs, and its implementation, which returns the JSON of the result.
type method struct {
	room.CallKind
	run func(c *Chat, call *room.Call) ([]byte, error)
}

// methods has all calls by name. This is the only place that lists them; doc.go says how to add one.
var methods = map[string]method{
	"send":     define((*Chat).send, room.CallKind{Class: room.ClassSend}),
	"edit":     define((*Chat).edit, room.CallKind{Class: room.ClassSend}),
	"delete":   define((*Chat).delete, room.CallKind{Class: room.ClassSend}),
	"react":    define((*Chat).react, room.CallKind{Class: room.ClassSend}),
	"typing":   define((*Chat).typing, room.CallKind{Class: room.ClassTyping, Prompt: true}),
	"mark":     define((*Chat).mark, room.CallKind{Class: room.ClassTyping}),
	"marks":    define((*Chat).marks, room.CallKind{Class: room.ClassRead}),
	"messages": define((*Chat).messages, room.CallKind{Class: room.ClassRead}),

	"rooms":        define((*Chat).rooms, room.CallKind{Class: room.ClassRead}),
	"room.create":  define((*Chat).create, room.CallKind{Class: room.ClassRPC}),
	"room.direct":  define((*Chat).direct, room.CallKind{Class: room.ClassRPC}),
	"room.join":    define((*Chat).join, room.CallKind{Class: room.ClassJoin}),
	"room.leave":   define((*Chat).leave, room.CallKind{Class: room.ClassRPC}),
	"room.decline": define((*Chat).decline, room.CallKind{Class: room.ClassRPC}),
	"room.invite":  define((*Chat).invite, room.CallKind{Class: room.ClassRPC}),
	"room.set":     define((*Chat).set, room.CallKind{Class: room.ClassRPC}),
	"room.info":    define((*Chat).info, room.CallKind{Class: room.ClassRead}),
	"members":      define((*Chat).members, room.CallKind{Class: room.ClassRead}),

	"kick":      define((*Chat).kick, room.CallKind{Class: room.ClassRPC}),
	"ban":       define((*Chat).ban, room.CallKind{Class: room.ClassRPC}),
	"unban":     define((*Chat).unban, room.CallKind{Class: room.ClassRPC}),
	"mute":      define((*Chat).mute, room.CallKind{Class: room.ClassRPC}),
	"unmute":    define((*Chat).unmute, room.CallKind{Class: room.ClassRPC}),
	"sanctions": define((*Chat).sanctions, room.CallKind{Class: room.ClassRPC}),
}

// Knows implements room.Caller.
func (c *Chat) Knows(name string) (room.CallKind, bool) {
	m, known := methods[name]
	return m.CallKind, known
}

// Call implements room.Caller.
func (c *Chat) Call(call *room.Call) ([]byte, error) { return methods[call.Method].run(c, call) }

// define makes a method of a function with a request of the type Q and a result of the type R.
// Both are JSON objects.
func define[Q, R any](f func(c *Chat, ctx context.Context, call *room.Call, q *Q) (R, error), kind room.CallKind) method {
	return method{kind, func(c *Chat, call *room.Call) ([]byte, error) {
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

// empty is the result of a call that returns nothing.
type empty struct{}

// badRequest is the error of a call with wrong arguments.
func badRequest(format string, args ...any) error {
	return wire.Explain(wire.ErrBadRequest, "bad request: "+fmt.Sprintf(format, args...))
}

// pageLimit returns how many entries a page may have: the number that a request gives, or usual if it
// gives none.
func pageLimit(given *int, usual, most int) (int, error) {
	if given == nil {
		return usual, nil
	}
	if *given < 1 || *given > most {
		return 0, badRequest("limit must be 1 to %d", most)
	}
	return *given, nil
}

// inRoom is the part of a request that names a room. Room may be "" only in calls that say so.
type inRoom struct {
	Room string `json:"room"`
}

// normalise rewrites the name to its normal form, before anything is decided by it.
func (q *inRoom) normalise() error {
	if q.Room == "" {
		return nil
	}
	name, err := wire.RoomName(q.Room)
	if err != nil {
		return badRequest("%v", err)
	}
	q.Room = name
	return nil
}
