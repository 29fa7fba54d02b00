package room

import (
	"bytes"
	"cmp"
	"context"
	"errors"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Caller implements RPCs. Its methods are safe for concurrent use.
type Caller interface {
	// Knows reports whether there is a method of that name, and how its calls run.
	Knows(method string) (CallKind, bool)
	// Call runs a call of a method that Knows knows. It returns JSON or an error: a wire.ErrorCode,
	// perhaps with a sentence by wire.Explain, or a wire.DisconnectCode. A panic closes the connection
	// with code 1011.
	Call(c *Call) (data []byte, err error)
}

// CallKind says how a call runs. Usually it runs on a goroutine and may wait for the engine and the
// backend. Until it has been answered, the connection is not read, so the commands of a connection
// keep their order. If nothing can make it wait (Hub.prompt), it runs on the worker.
type CallKind struct {
	Class  Class // the class of rates that the call counts in; a reply to a call of ClassRead may be large
	Prompt bool  // the call runs on a worker: it must not block, nor wait for the engine or the backend
}

// Call is an RPC of a connection that has connected. Only the goroutine that runs the call uses it.
type Call struct {
	Hub    *Hub
	Method string
	Data   []byte // any bytes; valid until the Call method of Caller returns

	s       Session
	id      uint32
	spent   int           // see Spent
	hasSlot bool          // the call runs on a goroutine of its own, with a slot
	release func()        // makes the connection be read again
	over    chan struct{} // closed at the end
}

// Context ends when the hub stops.
func (c *Call) Context() context.Context { return c.Hub.work.ctx }

// Author returns the caller as other users see it.
func (c *Call) Author() engine.Author { return c.s.AuthorIn("") }

// Identity returns the identity of the caller. It must not be changed.
func (c *Call) Identity() *token.Identity { return c.s.state().who.Load() }

// Payer returns the owner that pays for data that the call makes the server keep.
func (c *Call) Payer() budget.Owner { return c.s.state().Payer() }

// State returns the engine's State. The caller pays for the entries that are written with it.
func (c *Call) State() engine.State { return c.Hub.shares.StateOf(c.s.state().Payer()) }

// Retention returns how much of its log a room keeps.
func (c *Call) Retention(room string) engine.Retention { return c.Hub.cfg.options(room).History }

// MaxReply returns how many bytes of publications a reply may have.
func (c *Call) MaxReply() int { return c.Hub.cfg.MaxReply }

// Judge decides about an action of the caller in a room; "" stands for the whole server.
func (c *Call) Judge(a Action, room string) Verdict { return c.Hub.JudgeSession(c.s, a, room, true) }

// JudgeAs is Judge for a relation to the room that the caller need not have now.
func (c *Call) JudgeAs(a Action, room string, m policy.Membership) Verdict {
	return c.Hub.Judge(c.Hub.SubjectOf(c.s), a, room, m)
}

// May is Judge for an action that the call is about to do. It returns the error for the client, or
// nil if the verdict does not deny the action: the backend or the roster may still do so.
func (c *Call) May(a Action, room string) error {
	if v := c.Judge(a, room); v.Outcome == policy.Deny {
		return c.Hub.Refusal(v)
	}
	return nil
}

// IsIn reports whether the connection is in a room now, or is joining it.
func (c *Call) IsIn(room string) bool {
	_, in := c.s.Membership(room)
	return in
}

// CheckAndPublish publishes a message for the caller if the rights allow the action, as with the
// publish command. If the application's backend decides about the action, it is asked, and may replace
// the data. Then check is called, unless it is nil; if it fails, nothing is published.
//
// If the message has a key and was published before, CheckAndPublish returns its position even if
// something refuses the message now: a client that did not get the first answer must learn that the
// message was published. The key is looked up only after a refusal. So a new message, as nearly all
// are, costs the engine no lookup and keeps its place among the others.
func (c *Call) CheckAndPublish(a Action, m SessionMessage, check func() error) (engine.Position, error) {
	m, err := c.decide(a, m)
	if err == nil && check != nil {
		err = check()
	}
	if err == nil {
		var pos engine.Position
		if pos, err = c.Publish(m); err == nil {
			return pos, nil
		}
	}
	return c.firstPosition(m, err)
}

// firstPosition returns the position at which a message was published before, or the error that
// refuses it now.
func (c *Call) firstPosition(m SessionMessage, refusal error) (engine.Position, error) {
	var end wire.DisconnectCode
	if errors.As(refusal, &end) {
		return engine.Position{}, refusal
	}
	type answer struct {
		pos   engine.Position
		known bool
	}
	first, err := await(c, func(done func(answer, error)) {
		c.Hub.LookUpKey(c.s, m, func(pos engine.Position, known bool, err error) { done(answer{pos, known}, err) })
	})
	if !first.known {
		err = cmp.Or(err, refusal)
	}
	return first.pos, err
}

// decide decides whether the caller may publish a message, and returns the message to publish.
func (c *Call) decide(a Action, m SessionMessage) (SessionMessage, error) {
	v := c.Judge(a, m.Room)
	switch v.Outcome {
	case policy.Deny:
		return m, c.Hub.Refusal(v)
	case policy.AskBackend:
		rights := func() error { return c.Hub.Refusal(c.Hub.JudgeSession(c.s, a, m.Room, false)) }
		return await(c, func(done func(SessionMessage, error)) { c.s.AskPublish(m, rights, done) })
	}
	return m, nil
}

// Publish publishes a message for the caller, without a check of its rights. It returns when the
// follow-up of the message (Config.FollowUp) is done.
func (c *Call) Publish(m SessionMessage) (engine.Position, error) {
	return await(c, func(done func(engine.Position, error)) { c.Hub.publishAs(c.s, m, c, done) })
}

// Audit writes a line about an action of the caller to the audit log.
func (c *Call) Audit(a Audit) {
	a.By = c.Identity().User
	c.Hub.Audited(a, c.s.state().Payer())
}

// Typing tells the other members of a room that the caller is typing, or returns an error for the
// client. The caller pays as for a message, also if others type at the same time. Otherwise a user
// could, for nothing, make each of many rooms write to its members.
func (c *Call) Typing(room string) error {
	who := c.s.AuthorIn("")
	if r := c.Hub.existing(room); r != nil {
		if err := c.Hub.meter.Spend(&c.s.state().Usage, ClassFanout, (pushSize+len(room)+who.Size())*r.typingReceivers()); err != nil {
			return err
		}
	}
	c.Hub.engine.Notify(room, engine.Notice{Typing: true, Who: who})
	return nil
}

// NewCall makes the call of an RPC. known is false if Config.Calls does not know the method. A prompt
// call has been answered when NewCall returns, and c is nil. The caller must start any other call with
// Begin. Session.Answer gets the answer with the id of the command. data may be reused when NewCall
// returns.
func (h *Hub) NewCall(s Session, id uint32, method string, data []byte) (c *Call, known bool) {
	if h.cfg.Calls == nil {
		return nil, false
	}
	kind, known := h.cfg.Calls.Knows(method)
	if !known {
		return nil, false
	}
	c = &Call{Hub: h, Method: method, Data: data, s: s, id: id}
	if kind.Prompt || h.prompt {
		c.answer(h.cfg.Calls.Call(c))
		return nil, true
	}
	c.Data, c.over = bytes.Clone(data), make(chan struct{})
	return c, true
}

// ClassOfCall returns the class of rates that an RPC counts in.
func (h *Hub) ClassOfCall(method string) Class {
	if h.cfg.Calls != nil {
		if kind, known := h.cfg.Calls.Knows(method); known {
			return kind.Class
		}
	}
	return ClassRPC
}

// Begin runs a call on a goroutine, as soon as there is a slot for it. Until the call has been
// answered, the caller of Begin must not handle anything that the client has sent after it. Then
// release is called, from any goroutine.
func (c *Call) Begin(release func()) {
	c.release = release
	c.s.state().others().call.Store(c)
	c.Hub.work.slots.Acquire(c.Payer(), (*waitingCall)(c))
}

// waitingCall is a Call as a budget.Waiter.
type waitingCall Call

// Start implements budget.Waiter.
func (c *waitingCall) Start() { go (*Call)(c).run() }

// Refuse implements budget.Waiter.
func (c *waitingCall) Refuse() {
	call := (*Call)(c)
	defer call.end()
	call.Hub.refusedWork("one is refused", call.Payer())
	call.answer(nil, errWorkFull)
}

// run answers a call. A panic closes the connection of the call; the server and other calls go on.
func (c *Call) run() {
	c.hasSlot = true
	defer c.end()
	defer c.Hub.work.slots.Release(c.Payer())
	defer c.s.Conn().Recovered("call " + c.Method)
	c.answer(c.Hub.cfg.Calls.Call(c))
}

func (c *Call) end() {
	c.s.state().others().call.CompareAndSwap(c, nil)
	close(c.over)
	c.release()
}

func (c *Call) answer(data []byte, err error) { c.s.Answer(c.id, data, err) }
