package room

import (
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/slowmode"
	"webim/room/wire"
)

// PublishAs publishes a message in the name of a session. The caller has checked the rights, perhaps
// by the backend or a while ago; a ban, a mute or a lock can still refuse the message. done gets an
// error for wire.ErrorReply. Any goroutine may call PublishAs, and any goroutine may call done.
func (h *Hub) PublishAs(s Session, m SessionMessage, done func(engine.Position, error)) {
	h.publishAs(s, m, false, done)
}

// PublishForCall is PublishAs for a call, which waits for done: the follow-up of the message takes no slot
// that a call may hold.
func (h *Hub) PublishForCall(s Session, m SessionMessage, done func(engine.Position, error)) {
	h.publishAs(s, m, true, done)
}

func (h *Hub) publishAs(s Session, m SessionMessage, byCall bool, done func(engine.Position, error)) {
	action := policy.ActSpeak
	if m.Always {
		action = policy.ActBe
	}
	p := h.newPublishing(bySession)
	p.call, p.done = byCall, done
	h.publishJudged(s, h.judge.Session(s, action, m.Room, false), m, p)
}

// PublishCommand publishes the message of a publish command. v is the current verdict about it.
// Session.Published gets the outcome with the id of the command.
func (h *Hub) PublishCommand(s Session, id uint32, v policy.Verdict, m SessionMessage) {
	p := h.newPublishing(bySession)
	p.s, p.id = s, id
	h.publishJudged(s, v, m, p)
}

// publishJudged publishes a message of a session if the current verdict about it allows that.
func (h *Hub) publishJudged(s Session, v policy.Verdict, what SessionMessage, p *publishing) {
	opts := h.Options(what.Room)
	m, err := h.messageOf(s, what, opts)
	if err == nil {
		err = opts.CheckSize(&m, h.Config().MaxPublication)
	}
	if err == nil && !opts.Binary {
		err = h.Config().Text.CheckData(m.Data)
	}
	if err == nil && v.Outcome != policy.Allow {
		err = v.Err
	}
	if err == nil && h.meter.Limits(policy.ClassFanout) {
		err = h.spendFanout(s.Account(), h.existing(what.Room), m)
	}
	if err == nil { // last: slow mode counts the messages that pass
		p.undo, err = h.slowDown(v, what, s.Conn())
	}
	if err != nil {
		p.end(engine.Position{}, err)
		return
	}
	h.publish(what.Room, m, p)
}

// spendFanout charges a client for a message that the server sends to all members of a room on this node.
// r is nil if there are none. The error is that of cost.Meter.Spend.
func (h *Hub) spendFanout(u *cost.Usage, r *Room, m engine.Message) error {
	if r == nil {
		return nil
	}
	return h.meter.Spend(u, policy.ClassFanout, policy.SentSize(&m, r.name)*r.Len())
}

// slowDown counts a message of a connection if the verdict limits it to one message per interval. The
// caller calls undo, if it is not nil, when the message is not published after all.
func (h *Hub) slowDown(v policy.Verdict, what SessionMessage, c netpoll.Conn) (undo func(), err error) {
	if v.Slow == 0 || what.Event {
		return nil, nil
	}
	who := identity.AuthorOf(c, "")
	user := who.User
	if user == "" {
		user = "\x00" + who.Client // no user has such a name
	}
	return h.slow.Pass(slowmode.Key{Room: what.Room, User: user}, cost.PayerOf(who.User, identity.AddressOf(c)), v.Slow, what.Key)
}

// messageOf turns a message of a session into one for the engine.
func (h *Hub) messageOf(s Session, what SessionMessage, opts *policy.Options) (m engine.Message, err error) {
	m = engine.Message{Op: engine.OpJSON, From: identity.SenderOf(s), Tags: what.Tags, Key: what.Key, CompactKey: what.CompactKey, Skip: what.Skip, Keep: h.keepOf(opts), Payer: s.Payer(), Origin: uint64(s.Conn().ID())}
	if opts.Binary {
		m.Op = ws.OpBinary
	}
	if what.Original != nil && what.Key != "" {
		if m.Original, err = wire.Data(opts.Binary, what.Original); err != nil {
			return m, err
		}
	}
	m.Data, err = wire.Data(opts.Binary, what.Data)
	return m, err
}

// LookUpKey looks up whether a message with the key of m was published before. If so, known is true,
// and done gets the position of that message, or an error if that message was a different one. known
// is also true if the engine cannot tell; then done gets the engine's error.
func (h *Hub) LookUpKey(s Session, m SessionMessage, done func(pos engine.Position, known bool, err error)) {
	em, err := h.messageOf(s, m, h.Options(m.Room))
	if m.Key == "" || err != nil {
		done(engine.Position{}, false, nil)
		return
	}
	h.engine.Known(m.Room, em, func(pos engine.Position, err error) { done(pos, err != nil, keyError(err)) })
}
