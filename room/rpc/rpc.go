package rpc

import (
	"bytes"

	"webim/room"
	"webim/room/await"
	"webim/room/policy"
)

// Caller implements RPCs. Its methods are safe for concurrent use.
type Caller interface {
	// Knows reports whether there is a method of that name, and how its calls run.
	Knows(method string) (Kind, bool)
	// Call runs a call of a method that Knows knows. It returns JSON or an error: a wire.ErrorCode,
	// perhaps with a sentence by wire.Explain, or a wire.DisconnectCode. A panic closes the connection
	// with code 1011.
	Call(c *Call) (data []byte, err error)
}

// Kind says how a call runs. Usually it runs on a goroutine and may wait for the engine and the
// backend. Until it has been answered, the connection is not read, so the commands of a connection
// keep their order. If nothing can make it wait (room.Hub.Prompt), it runs on the worker.
type Kind struct {
	Class  policy.Class // the class of rates that the call counts in; a reply to a call of ClassRead may be large
	Prompt bool         // the call runs on a worker: it must not block, nor wait for the engine or the backend
}

// Calls is a Caller as room.Config.Calls.
type Calls struct{ Caller }

// ClassOf implements room.Calls.
func (all Calls) ClassOf(method string) policy.Class {
	if kind, known := all.Knows(method); known {
		return kind.Class
	}
	return policy.ClassRPC
}

// New implements room.Calls.
func (all Calls) New(s room.Session, id uint32, method string, data []byte) (call room.Call, known bool) {
	kind, known := all.Knows(method)
	if !known {
		return nil, false
	}
	c := &Call{Hub: s.Hub(), Method: method, Data: data, by: all.Caller, s: s, id: id}
	if kind.Prompt || c.Hub.Prompt() {
		c.answer(all.Call(c))
		return nil, true
	}
	c.Data = bytes.Clone(data)
	return c, true
}

// wait is await.Value for a call. If the values do not come at once, the call lends its slot to other
// calls until they come: see budget.Slots. A call that runs on a worker has no slot to lend.
func wait[T any](c *Call, start func(done func(T, error))) (T, error) {
	result := await.Begin(start)
	if value, err, ok := result.Ready(); ok {
		return value, err
	}
	if slots := c.Hub.Work().Calls(); c.hasSlot && slots.Suspend(c.Payer()) {
		defer slots.Resume(c.Payer())
	}
	return result.Wait(c.Context())
}
