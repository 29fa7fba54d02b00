package room

import (
	"webim/netpoll"
	"webim/room/wire"
)

// Who comes back to a hundred rooms in one message is owed a hundred histories,
// which may be more than its queue holds, however fast it reads. It is not slow for
// that: the rest of its commands waits, as bytes, until the client has taken most of
// what it has been answered. So a message is handled in as many parts as it needs.

// What comes in one message with a connect command whose answer takes its time
// waits in the same way. netpoll counts what waits (MaxUnfinished).

// Replies that are made later, by a backend's answers, are not seen to: those are as
// many as a connection may ask at a time.

// handled are the first commands of a message whose others wait.
type handled struct {
	count   int
	left    int    // bytes of the others
	drained func() // has netpoll bring the message again; nil: what does is not the queue's to say
}

// hold keeps what is left of a message if enough waits for the client already.
func (s *session) hold(all *wire.Commands) bool {
	if all.Taken() == 0 || len(all.Rest()) == 0 || !s.conn.Crowded() {
		return false
	}
	s.handled = &handled{all.Taken(), len(all.Rest()), s.conn.Again()}
	return true
}

// wait keeps what is left of a message, and whatever comes behind it, until done is
// called.
func (s *session) wait(all *wire.Commands) (done func()) {
	if len(all.Rest()) == 0 {
		return s.conn.Later()
	}
	s.handled = &handled{count: all.Taken(), left: len(all.Rest())}
	return s.conn.Again()
}

// goOn passes over what is handled of a message that was held.
func (s *session) goOn(all *wire.Commands) {
	if s.handled != nil {
		all.Skip(s.handled.count, s.handled.left)
		s.handled = nil
	}
}

// Drained implements netpoll.Drainer: a client that has taken its replies is read
// again.
func (h *Hub) Drained(c netpoll.Conn) {
	if s := sessionOf(c); s != nil && s.handled != nil && s.handled.drained != nil {
		s.handled.drained()
	}
}
