package room

import (
	"errors"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Caller answers RPCs.
type Caller interface {
	// Call answers a call, at once or later, by c.Done, once; or reports that it
	// knows no such method. It runs on a worker, and must not block.
	Call(c *Call) (known bool)
}

// Call is an RPC of a connection that has connected.
type Call struct {
	Hub    *Hub
	Method string
	Data   []byte // good until Call returns; any bytes

	s     Session
	id    uint32
	spent int // see Spent
}

// Author is who calls, as others see it.
func (c *Call) Author() engine.Author { return c.s.AuthorIn("") }

// Payer is the owner who pays for what the call makes the server keep.
func (c *Call) Payer() budget.Owner { return c.s.principal().payer }

// State is the engine's State as the caller pays for it.
func (c *Call) State() engine.State { return c.Hub.StateOf(c.s.principal().payer) }

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
func (c *Call) Struck(room string) bool { return c.Hub.BanBinds(room, c.s.principal().who.Load()) }

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

// Say says something in a room for the caller, which takes an action: that is judged
// as the command publish, by the rights or, where it is asked, the application's
// backend, which may have something else said; then, if it is not nil, by stands.
// done gets an error for Done. Say is called before Call returns; stands and done
// may run later.
//
// What has a key and was said already is refused for nothing: whatever has come up
// since against saying it, a client that lost the answer must learn that it is
// said. That is looked up when something refuses it, and not before: what is new,
// which is nearly all, costs the engine nothing, and keeps its order.
func (c *Call) Say(a Action, what Saying, stands func(then func(error)), done func(engine.Position, error)) {
	refuse := func(err error) {
		var end wire.DisconnectCode
		if errors.As(err, &end) {
			done(engine.Position{}, err)
			return
		}
		c.Hub.Recall(c.s, what, func(pos engine.Position, known bool, first error) {
			if known {
				err = first
			}
			done(pos, err)
		})
	}
	c.judge(a, what, func(what Saying, err error) {
		say := func(err error) {
			if err != nil {
				refuse(err)
				return
			}
			c.Hub.Say(c.s, what, func(pos engine.Position, err error) {
				if err != nil {
					refuse(err)
					return
				}
				done(pos, nil)
			})
		}
		if err != nil || stands == nil {
			say(err)
			return
		}
		stands(say)
	})
}

// judge judges what the caller wants to say; then gets what to say.
func (c *Call) judge(a Action, what Saying, then func(Saying, error)) {
	v := c.Hub.JudgeSession(c.s, a, what.Room, c.Hub.cfg.options(what.Room), true)
	if v.Outcome != policy.AskBackend {
		var err error
		if v.Outcome == policy.Deny {
			err = c.Hub.Refusal(v)
		}
		then(what, err)
		return
	}
	rights := func() error { return c.Hub.CheckRights(c.s, a, what.Room) }
	c.s.AskPublish(what, rights, then)
}

// Publish says something for the caller, whose rights have been judged. done gets
// an error for Done. It may be called from any goroutine.
func (c *Call) Publish(what Saying, done func(engine.Position, error)) { c.Hub.Say(c.s, what, done) }

// Audit leaves a line in the audit log of what the caller did.
func (c *Call) Audit(a Audit) {
	a.By = c.s.principal().who.Load().User
	c.Hub.Audited(a, c.s.principal().payer)
}

// Typing tells the others in a room that the caller is about to say something, or returns
// an error for Done. It costs the caller what a message costs, also if others type at
// the same time: who could make each of many rooms write to its members would pay nothing.
func (c *Call) Typing(room string) error {
	who := c.s.AuthorIn("")
	if r := c.Hub.existing(room); r != nil {
		if err := c.Hub.affordEach(c.s.principal(), pushSize+len(room)+who.Size(), r.toldTyping()); err != nil {
			return err
		}
	}
	c.Hub.engine.Notify(room, engine.Notice{Typing: true, Who: who})
	return nil
}

// Done answers: with JSON data, or an error: a wire.ErrorCode, one with a
// sentence by wire.Explain, or a wire.DisconnectCode. It may be called from any
// goroutine, with any lock held.
func (c *Call) Done(data []byte, err error) {
	c.s.Answer(c.id, data, err)
}

// AnswerCall gives an RPC to Config.Calls, and reports whether that knows the method.
// Session.Answer gets the answer with the command's id. data is good until AnswerCall
// returns.
func (h *Hub) AnswerCall(s Session, id uint32, method string, data []byte) (known bool) {
	if h.cfg.Calls == nil {
		return false
	}
	return h.cfg.Calls.Call(&Call{Hub: h, Method: method, Data: data, s: s, id: id})
}

// callClasses are the classes of the calls of package chat; others are ClassRPC.
var callClasses = map[string]Class{
	"send": ClassSend, "edit": ClassSend, "delete": ClassSend, "react": ClassSend,
	"typing": ClassTyping, "mark": ClassTyping,
	"messages": ClassRead, "rooms": ClassRead, "room.info": ClassRead, "members": ClassRead, "marks": ClassRead,
	"room.join": ClassJoin,
}

// ClassOfCall is the class of an RPC.
func ClassOfCall(method string) Class {
	if class, ok := callClasses[method]; ok {
		return class
	}
	return ClassRPC
}
