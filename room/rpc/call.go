package rpc

import (
	"context"
	"errors"

	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Call is an RPC of a connection that has connected. Only the goroutine that runs the call uses it.
type Call struct {
	Hub    *room.Hub
	Method string
	Data   []byte // any bytes; valid until the Call method of Caller returns

	by      Caller
	s       room.Session
	id      uint32
	spent   int    // see Spent
	hasSlot bool   // the call runs on a goroutine of its own, with a slot
	release func() // makes the connection be read again
	over    func() // tells a shutdown that the call has ended
}

// Context ends when the hub stops.
func (c *Call) Context() context.Context { return c.Hub.Work().Context() }

// Author returns the caller as other users see it.
func (c *Call) Author() engine.Author { return c.s.AuthorIn("") }

// Identity returns the identity of the caller. It must not be changed.
func (c *Call) Identity() *token.Identity { return c.s.Identity() }

// Payer returns the owner that pays for data that the call makes the server keep.
func (c *Call) Payer() budget.Owner { return c.s.Payer() }

// State returns the engine's State. The caller pays for the entries that are written with it.
func (c *Call) State() engine.State { return c.Hub.Shares().StateOf(c.s.Payer()) }

// Retention returns how much of its log a room keeps.
func (c *Call) Retention(room string) engine.Retention { return c.Hub.Options(room).History }

// MaxReply returns how many bytes of publications a reply may have.
func (c *Call) MaxReply() int { return c.Hub.Config().MaxReply }

// Judge decides about an action of the caller in a room; "" stands for the whole server.
func (c *Call) Judge(a policy.Action, room string) policy.Verdict {
	return c.Hub.Judge().Session(c.s, a, room, true)
}

// JudgeAs is Judge for a relation to the room that the caller need not have now.
func (c *Call) JudgeAs(a policy.Action, room string, m policy.Membership) policy.Verdict {
	return c.Hub.Judge().Decide(c.Hub.Judge().SubjectOf(c.s), a, room, m)
}

// May is Judge for an action that the call is about to do. It returns the error for the client, or
// nil if the verdict does not deny the action: the backend or the roster may still do so.
func (c *Call) May(a policy.Action, room string) error {
	if v := c.Judge(a, room); v.Outcome == policy.Deny {
		return c.Hub.Judge().Refusal(v)
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
func (c *Call) CheckAndPublish(a policy.Action, m room.SessionMessage, check func() error) (engine.Position, error) {
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
func (c *Call) firstPosition(m room.SessionMessage, refusal error) (engine.Position, error) {
	var end wire.DisconnectCode
	if errors.As(refusal, &end) {
		return engine.Position{}, refusal
	}
	type answer struct {
		pos   engine.Position
		known bool
	}
	first, err := wait(c, func(done func(answer, error)) {
		c.Hub.LookUpKey(c.s, m, func(pos engine.Position, known bool, err error) { done(answer{pos, known}, err) })
	})
	if !first.known || err != nil && !errors.Is(err, wire.ErrConflict) && errors.Is(refusal, engine.ErrUnknown) {
		return first.pos, refusal // the message may be stored, although the engine cannot find it now
	}
	return first.pos, err
}

// decide decides whether the caller may publish a message, and returns the message to publish.
func (c *Call) decide(a policy.Action, m room.SessionMessage) (room.SessionMessage, error) {
	rights := func() error {
		return c.Hub.Judge().Refusal(c.Hub.Judge().Session(c.s, a, m.Room, false))
	}
	v := c.Judge(a, m.Room)
	switch {
	case v.Outcome == policy.Deny:
		return m, c.Hub.Judge().Refusal(v)
	case v.Outcome == policy.AskBackend && !c.hasSlot: // the hook came while the call was running on a worker, which must not wait
		return m, rights()
	case v.Outcome == policy.AskBackend:
		return wait(c, func(done func(room.SessionMessage, error)) { c.s.AskPublish(m, rights, done) })
	}
	return m, nil
}

// Publish publishes a message for the caller, without a check of its rights. It returns when the
// follow-up of the message (Config.FollowUp) is done.
func (c *Call) Publish(m room.SessionMessage) (engine.Position, error) {
	return wait(c, func(done func(engine.Position, error)) { c.Hub.PublishForCall(c.s, m, done) })
}

// Audit writes a line about an action of the caller to the audit log.
func (c *Call) Audit(a moderation.Audit) {
	a.By = c.Identity().User
	c.Hub.Audited(a, c.s.Payer())
}

// Typing tells the other members of a room that the caller is typing, or returns an error for the
// client, see Hub.Typing.
func (c *Call) Typing(room string) error { return c.Hub.Typing(c.s, room) }

// Begin runs a call on a goroutine, as soon as there is a slot for it. Until the call has been
// answered, the caller of Begin must not handle anything that the client has sent after it. Then
// release is called, from any goroutine.
func (c *Call) Begin(release func()) {
	c.release = release
	c.over = c.s.BeginCall()
	c.Hub.Work().Calls().Acquire(c.Payer(), (*waitingCall)(c))
}

// errFull refuses a call for which there is neither a slot nor a place to wait.
var errFull = wire.Explain(wire.ErrTooManyRequests, "too many requests: the server is busy with calls, try again")

// waitingCall is a Call as a budget.Waiter.
type waitingCall Call

// Start implements budget.Waiter.
func (c *waitingCall) Start() { go (*Call)(c).run() }

// Refuse implements budget.Waiter.
func (c *waitingCall) Refuse() {
	call := (*Call)(c)
	defer call.end()
	call.Hub.Work().Refused("one is refused", call.Payer())
	call.answer(nil, errFull)
}

// run answers a call. A panic closes the connection of the call; the server and other calls go on.
func (c *Call) run() {
	c.hasSlot = true
	defer c.end()
	defer c.Hub.Work().Calls().Release(c.Payer())
	defer c.s.Conn().Recovered("call " + c.Method)
	c.answer(c.by.Call(c))
}

func (c *Call) end() {
	c.over()
	c.release()
}

func (c *Call) answer(data []byte, err error) { c.s.Answer(c.id, data, err) }
