package room

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Caller answers RPCs. Its methods are safe for concurrent use.
type Caller interface {
	// Knows reports whether there is a call of that name, and how it runs.
	Knows(method string) (CallKind, bool)
	// Call answers a call that it knows, with JSON data or an error: a wire.ErrorCode, perhaps with
	// a sentence by wire.Explain, or a wire.DisconnectCode. A panic ends the connection with 1011.
	Call(c *Call) (data []byte, err error)
}

// CallKind says how a call runs. Usually it runs on a goroutine and may wait for the engine and the
// backend. Until it has been answered, the connection is not read, so the commands of a connection
// keep their order. If nothing can make it wait (Hub.prompt), it runs on the worker.
type CallKind struct {
	Class  Class // that the call counts in; a reply to a call of ClassRead may be large
	Prompt bool  // the call runs on a worker: it must not block, and asks the engine nothing
}

// Call is an RPC of a connection that has connected. Only the goroutine that runs the call uses it.
type Call struct {
	Hub    *Hub
	Method string
	Data   []byte // any bytes; good until Call returns

	s       Session
	id      uint32
	spent   int           // see Spent
	release func()        // reads the connection again
	over    chan struct{} // closed at the end
}

// Context ends when the hub stops.
func (c *Call) Context() context.Context { return c.Hub.work.ctx }

// Author is who calls, as others see it.
func (c *Call) Author() engine.Author { return c.s.AuthorIn("") }

// Payer is the owner who pays for what the call makes the server keep.
func (c *Call) Payer() budget.Owner { return c.s.state().Payer() }

// State is the engine's State as the caller pays for it.
func (c *Call) State() engine.State { return c.Hub.shares.StateOf(c.s.state().Payer()) }

// Retention is how much a room remembers.
func (c *Call) Retention(room string) engine.Retention { return c.Hub.cfg.options(room).History }

// MaxReply is how many bytes of publications a reply may carry.
func (c *Call) MaxReply() int { return c.Hub.cfg.MaxReply }

// May judges an action as if it were a command: nil, or an error for Done.
func (c *Call) May(a Action, room string) error {
	return c.Hub.CheckAction(c.s, a, room, c.Hub.cfg.options(room))
}

// MayEverywhere judges an action that is bound to no room: what a token's role
// in all rooms permits.
func (c *Call) MayEverywhere(a Action) error {
	if v := c.everywhere(a); v.Outcome != policy.Allow {
		return c.Hub.Refusal(v)
	}
	return nil
}

func (c *Call) everywhere(a Action) Verdict {
	return c.Hub.Judge(c.Hub.subjectOf(c.s), a, "", noOptions, policy.Membership{}, false)
}

// MayAs judges an action as if the caller were in the room, with an entry of its
// roster.
func (c *Call) MayAs(a Action, room string, r Roster) error {
	v := c.Hub.Judge(c.Hub.subjectOf(c.s), a, room, c.Hub.cfg.options(room), policy.Membership{In: true, Roles: r.Roles()}, true)
	if v.Outcome == policy.Deny {
		return c.Hub.Refusal(v)
	}
	return nil
}

// MayMeet judges whether the caller may learn of the other user of a direct room, whom
// the caller lists, who it is and whether it is here. shares: the other one has the room
// in its list, and does not decline it.
func (c *Call) MayMeet(room string, shares bool) bool {
	m := policy.Membership{In: true, Listed: policy.NotListed}
	if shares {
		m.Listed = policy.IsListed
	}
	return c.Hub.Judge(c.Hub.subjectOf(c.s), ActMeet, room, c.Hub.cfg.options(room), m, false).Outcome == policy.Allow
}

// Struck tells whether a ban takes the caller off a room's roster: by name, there.
func (c *Call) Struck(room string) bool { return c.Hub.BanBinds(room, c.s.state().who.Load()) }

// Muted tells whether the caller may say nothing in a room, or anywhere, and until
// when: zero: until that is lifted.
func (c *Call) Muted(room string) (until time.Time, is bool) {
	m := policy.Membership{In: true}
	v := c.Hub.Judge(c.Hub.subjectOf(c.s), ActSpeak, room, c.Hub.cfg.options(room), m, false)
	return v.Until, errors.Is(v.Err, wire.ErrMuted)
}

// Manages reports whether the caller may change a room itself, or, without one, all.
func (c *Call) Manages(room string) bool {
	if room == "" {
		return c.everywhere(ActManage).Outcome == policy.Allow
	}
	return c.Can(ActManage, room)
}

// Can is May for what is only to be known: a refusal is not counted, and a mute or a
// lock is no lack of a right. What the backend will say is not known: it may be.
func (c *Call) Can(a Action, room string) bool {
	v := c.Hub.JudgeSession(c.s, a, room, c.Hub.cfg.options(room), true)
	return v.Outcome != policy.Deny || errors.Is(v.Err, wire.ErrMuted) || errors.Is(v.Err, wire.ErrLocked)
}

// CanSpeak tells whether the caller may say something in a room now: Can with what
// mutes and the room's lock have against it.
func (c *Call) CanSpeak(room string) bool {
	return c.Hub.JudgeSession(c.s, ActSend, room, c.Hub.cfg.options(room), true).Outcome != policy.Deny
}

// In reports whether the connection is in a room now.
func (c *Call) In(room string) bool {
	_, in := c.s.Membership(room)
	return in
}

// CheckAndPublish publishes something in a room for the caller, which takes an action: that is judged
// as the command publish, by the rights or, where it is asked, the application's
// backend, which may have something else said; then, if it is not nil, by check.
//
// What has a key and was said already is refused for nothing: whatever has come up
// since against saying it, a client that lost the answer must learn that it is
// said. That is looked up when something refuses it, and not before: what is new,
// which is nearly all, costs the engine nothing, and keeps its order.
func (c *Call) CheckAndPublish(a Action, what SessionMessage, check func() error) (engine.Position, error) {
	what, err := c.judge(a, what)
	if err == nil && check != nil {
		err = check()
	}
	if err == nil {
		var pos engine.Position
		if pos, err = c.Publish(what); err == nil {
			return pos, nil
		}
	}
	return c.repeated(what, err)
}

// repeated returns the place of a message that was said before, or the error that refuses it now.
func (c *Call) repeated(what SessionMessage, refusal error) (engine.Position, error) {
	var end wire.DisconnectCode
	if errors.As(refusal, &end) {
		return engine.Position{}, refusal
	}
	type answer struct {
		pos   engine.Position
		known bool
	}
	first, err := await(c, func(done func(answer, error)) {
		c.Hub.LookUpKey(c.s, what, func(pos engine.Position, known bool, err error) { done(answer{pos, known}, err) })
	})
	if !first.known {
		err = cmp.Or(err, refusal)
	}
	return first.pos, err
}

// judge judges what the caller wants to say, and returns what to say.
func (c *Call) judge(a Action, what SessionMessage) (SessionMessage, error) {
	v := c.Hub.JudgeSession(c.s, a, what.Room, c.Hub.cfg.options(what.Room), true)
	switch v.Outcome {
	case policy.Deny:
		return what, c.Hub.Refusal(v)
	case policy.AskBackend:
		rights := func() error { return c.Hub.CheckRights(c.s, a, what.Room) }
		return await(c, func(done func(SessionMessage, error)) { c.s.AskPublish(what, rights, done) })
	}
	return what, nil
}

// Publish says something for the caller, whose rights have been judged. It returns when the work
// that follows the message (Config.FollowUp) is done.
func (c *Call) Publish(what SessionMessage) (engine.Position, error) {
	return await(c, func(done func(engine.Position, error)) { c.Hub.publishAs(c.s, what, c, done) })
}

// Audit leaves a line in the audit log of what the caller did.
func (c *Call) Audit(a Audit) {
	a.By = c.s.state().who.Load().User
	c.Hub.Audited(a, c.s.state().Payer())
}

// Typing tells the others in a room that the caller is about to say something, or returns
// an error for Done. It costs the caller what a message costs, also if others type at
// the same time: who could make each of many rooms write to its members would pay nothing.
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

// NewCall makes the call of an RPC; known is false if Config.Calls does not know the method. A call
// that takes no time has been answered then, and c is nil. Any other call is to begin by Begin.
// Session.Answer gets the answer with the command's id. data may be reused when NewCall returns.
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

// ClassOfCall is the class of an RPC.
func (h *Hub) ClassOfCall(method string) Class {
	if h.cfg.Calls != nil {
		if kind, known := h.cfg.Calls.Knows(method); known {
			return kind.Class
		}
	}
	return ClassRPC
}

// Begin runs a call on a goroutine, when there is a slot for it. Until it has been answered, the
// connection must handle nothing that the client has sent behind it; then release is called, from
// any goroutine.
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

// run answers a call. A panic closes the connection, and ends there: the server and the calls of
// others go on.
func (c *Call) run() {
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
