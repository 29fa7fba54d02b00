package room

import (
	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Saying is what a session wants to publish.
type Saying struct {
	Room string
	Data []byte
	Tags map[string]string // of the server, which vouches for them
	Key  string            // see Message.Key; whose it is must be a part of it
	said []byte            // see Message.Said
	Skip bool              // see Message.Skip
	// CompactKey: see Message.CompactKey.
	CompactKey string
	// Event: it is no message of its own but something about others: slow mode
	// lets it pass.
	Event bool
	// Always: neither mute nor lock nor slow mode keep it: taking back what one
	// said, and what moderators do.
	Always bool
}

// say publishes for a session; its rights have been judged, perhaps by a backend or
// some time ago: a yes lifts neither ban nor mute nor lock. done gets an error for
// wire.ErrorReply.
func (s *session) say(what Saying, done func(engine.Position, error)) {
	action := ActSpeak
	if what.Always {
		action = ActBe
	}
	p := s.hub.newPublishing(bySession)
	p.done = done
	s.sayBy(s.decide(action, what.Room, s.hub.cfg.options(what.Room), false), what, p)
}

// sayBy is say by a verdict of this moment; p has what is to be done then.
func (s *session) sayBy(v Verdict, what Saying, p *publishing) {
	h := s.hub
	opts := h.cfg.options(what.Room)
	m, err := s.messageOf(what, opts)
	if err == nil {
		err = h.checkSize(opts, m)
	}
	if err == nil && !opts.Binary {
		err = h.cfg.Text.checkData(m.Data)
	}
	if err == nil && v.Outcome != policy.Allow {
		err = v.Err
	}
	if err == nil && !h.unbound(classFanout) {
		err = h.affordFanout(&s.quota, s.payer, h.existing(what.Room), m)
	}
	if err == nil { // last, for slow mode counts what passes
		p.undo, err = h.slowDown(v, what, s.conn)
	}
	if err != nil {
		p.end(engine.Position{}, err)
		return
	}
	h.publish(what.Room, m, p)
}

// sayError is what the engine, or the turnstile, says of a message as its sender is told
// it.
func sayError(err error) error {
	if err == ErrBusy {
		return wire.ErrTooManyRequests // temporary
	}
	return keyError(err)
}

// messageOf is what a session says as the engine takes it.
func (s *session) messageOf(what Saying, opts *Options) (m engine.Message, err error) {
	m = engine.Message{Op: engine.OpJSON, From: s.from(), Tags: what.Tags, Key: what.Key, CompactKey: what.CompactKey, Skip: what.Skip, Keep: &opts.History, Payer: s.payer, Origin: uint64(s.conn.ID())}
	if opts.Binary {
		m.Op = ws.OpBinary
	}
	if what.said != nil && what.Key != "" {
		if m.Said, err = wire.Data(opts.Binary, what.said); err != nil {
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

// recall looks for what the session wants to say among what was said with its
// key. If the key is known, done gets the place of that, or that it was something
// else; known is also what cannot be told, with the engine's error.
func (s *session) recall(what Saying, done func(pos engine.Position, known bool, err error)) {
	m, err := s.messageOf(what, s.hub.cfg.options(what.Room))
	if what.Key == "" || err != nil {
		done(engine.Position{}, false, nil)
		return
	}
	s.hub.engine.Known(what.Room, m, func(pos engine.Position, err error) { done(pos, err != nil, keyError(err)) })
}

// said tells who wants to know that somebody has said something here.
func (h *Hub) said(room string, pos engine.Position, m engine.Message) {
	if h.cfg.Said != nil {
		h.cfg.Said(h, room, pos, m)
	}
}
