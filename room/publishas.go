package room

import (
	"bytes"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/slowmode"
	"webim/room/wire"
)

// SessionMessage is what a session wants to publish.
type SessionMessage struct {
	Room     string
	Data     []byte
	Tags     map[string]string // of the server, which vouches for them
	Key      string            // see Message.Key; whose it is must be a part of it
	Original []byte            // what the client said, if the backend had a word in Data; see engine.Message.Original
	Skip     bool              // see Message.Skip
	// CompactKey: see Message.CompactKey.
	CompactKey string
	// Event: it is no message of its own but something about others: slow mode
	// lets it pass.
	Event bool
	// Always: neither mute nor lock nor slow mode keep it: taking back what one
	// said, and what moderators do.
	Always bool
}

// PublishAs publishes for a session. Its rights have been judged, perhaps by a backend or
// some time ago: a yes lifts neither ban nor mute nor lock. done gets an error for
// wire.ErrorReply. It may be called from any goroutine, and so may done.
func (h *Hub) PublishAs(s Session, what SessionMessage, done func(engine.Position, error)) {
	h.publishAs(s, what, nil, done)
}

// say is Say for a call, or without one.
func (h *Hub) publishAs(s Session, what SessionMessage, by *Call, done func(engine.Position, error)) {
	action := ActSpeak
	if what.Always {
		action = ActBe
	}
	p := h.newPublishing(bySession)
	p.call, p.done = by, done
	h.publishJudged(s, h.JudgeSession(s, action, what.Room, h.cfg.options(what.Room), false), what, p)
}

// PublishCommand publishes what a publish command says, by a verdict of this moment.
// Session.Published gets the outcome with the command's id.
func (h *Hub) PublishCommand(s Session, id uint32, v Verdict, what SessionMessage) {
	p := h.newPublishing(bySession)
	p.s, p.id = s, id
	h.publishJudged(s, v, what, p)
}

// publishJudged is Say by a verdict of this moment; p has what is to be done then.
func (h *Hub) publishJudged(s Session, v Verdict, what SessionMessage, p *publishing) {
	opts := h.cfg.options(what.Room)
	m, err := h.messageOf(s, what, opts)
	if err == nil {
		err = h.checkSize(opts, m)
	}
	if err == nil && !opts.Binary {
		err = h.cfg.Text.CheckData(m.Data)
	}
	if err == nil && v.Outcome != policy.Allow {
		err = v.Err
	}
	if err == nil && h.meter.Limits(ClassFanout) {
		err = h.spendFanout(&s.state().Principal, h.existing(what.Room), m)
	}
	if err == nil { // last, for slow mode counts what passes
		p.undo, err = h.slowDown(v, what, s.Conn())
	}
	if err != nil {
		p.end(engine.Position{}, err)
		return
	}
	h.publish(what.Room, m, p)
}

// slowDown counts a message of a connection if the verdict limits it to one message per interval. The
// caller calls undo, if it is not nil, when the message is not published after all.
func (h *Hub) slowDown(v Verdict, what SessionMessage, c netpoll.Conn) (undo func(), err error) {
	if v.Slow == 0 || what.Event {
		return nil, nil
	}
	who := AuthorOf(c)
	user := who.User
	if user == "" {
		user = "\x00" + who.Client // no user has such a name
	}
	return h.slow.Pass(slowmode.Key{Room: what.Room, User: user}, cost.PayerOf(who.User, AddressOf(c)), v.Slow, what.Key)
}

// publishError is what the engine, or flow control, says of a message as its sender is told
// it.
func publishError(err error) error {
	if err == ErrBusy {
		return wire.ErrTooManyRequests // temporary
	}
	return keyError(err)
}

// messageOf is what a session says as the engine takes it.
func (h *Hub) messageOf(s Session, what SessionMessage, opts *Options) (m engine.Message, err error) {
	m = engine.Message{Op: engine.OpJSON, From: authorOnce(s), Tags: what.Tags, Key: what.Key, CompactKey: what.CompactKey, Skip: what.Skip, Keep: &opts.History, Payer: s.state().Payer(), Origin: uint64(s.Conn().ID())}
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

// keyError is what the engine says of a message's key as clients are told it: what
// was said before is no error.
func keyError(err error) error {
	switch err {
	case engine.ErrRepeated:
		return nil
	case engine.ErrKeyReused:
		return wire.Explain(wire.ErrConflict, "this id was used for another message")
	}
	return err
}

// authorOnce is a session as the author of what it says: the same Author each time, unless
// a new token has changed it.
func authorOnce(s Session) *engine.Author {
	p := s.state()
	last, who := &p.others().author, p.who.Load()
	if a := last.Load(); a != nil && a.User == who.User && bytes.Equal(a.ConnInfo, who.Info) {
		return a
	}
	a := s.AuthorIn("")
	last.Store(&a)
	return &a
}

// LookUpKey looks for what the session wants to say among what was said with its
// key. If the key is known, done gets the place of that, or that it was something
// else; known is also what cannot be told, with the engine's error.
func (h *Hub) LookUpKey(s Session, what SessionMessage, done func(pos engine.Position, known bool, err error)) {
	m, err := h.messageOf(s, what, h.cfg.options(what.Room))
	if what.Key == "" || err != nil {
		done(engine.Position{}, false, nil)
		return
	}
	h.engine.Known(what.Room, m, func(pos engine.Position, err error) { done(pos, err != nil, keyError(err)) })
}
