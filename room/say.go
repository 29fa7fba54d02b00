package room

import (
	"github.com/gobwas/ws"

	"webim/room/wire"
)

// Saying is what a session wants to publish.
type Saying struct {
	Room string
	Data []byte
	Tags map[string]string // of the server, which vouches for them
	Key  string            // see Message.Key; whose it is must be a part of it
	Skip bool              // see Message.Skip
	// Event: it is no message of its own but something about others: slow mode
	// lets it pass.
	Event bool
	// Always: neither mute nor lock nor slow mode keep it: taking back what one
	// said, and what moderators do.
	Always bool
}

// say publishes for a session; its rights have been judged. done gets an error
// for wire.ErrorReply.
func (s *session) say(what Saying, done func(Position, error)) {
	h := s.hub
	opts := h.cfg.options(what.Room)
	data, err := wire.Data(opts.Binary, what.Data)
	if err == nil && !opts.Binary {
		err = h.cfg.Text.checkData(data)
	}
	if err == nil {
		err = s.notBanned(what.Room) // a backend's yes does not lift a ban
	}
	if err == nil && !what.Always { // last, for slow mode counts what passes
		err = s.mayTalk(what)
	}
	if err != nil {
		done(Position{}, err)
		return
	}
	who := s.author()
	m := Message{Op: OpJSON, Data: data, From: &who, Tags: what.Tags, Key: what.Key, Skip: what.Skip, Keep: &opts.History}
	if opts.Binary {
		m.Op = ws.OpBinary
	}
	h.publish(what.Room, m, func(pos Position, err error) {
		switch err {
		case nil:
			h.said(what.Room, pos, m)
		case ErrAgain:
			err = nil
		case ErrBusy:
			err = wire.ErrTooManyRequests // temporary
		case ErrKeyReused:
			err = wire.Explain(wire.ErrConflict, "this id was used for another message")
		}
		done(pos, err)
	})
}

// said tells who wants to know that somebody has said something here.
func (h *Hub) said(room string, pos Position, m Message) {
	if h.cfg.Said != nil {
		h.cfg.Said(h, room, pos, m)
	}
}
