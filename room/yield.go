package room

import (
	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// pastTurn notes that the turn has made enough. It keeps what is left of the message, if
// there is more.
func (s *session) pastTurn(all *wire.Commands) bool {
	if !s.IsTurnOver() {
		return false
	}
	if len(all.Rest()) > 0 {
		s.goBehind(all.Taken(), len(all.Rest()))
	} else {
		s.conn.Yield()
	}
	return true
}

// mustGoBehind keeps a message from a command on that may have a large reply, if the
// connection has to wait in the background for it and does not yet. Before the command,
// taken commands were handled, and left bytes of the message were not.
func (s *session) mustGoBehind(method wire.Method, c *protocol.Command, taken, left int) bool {
	if !s.hub.isLarge(method, c) || !s.hub.GoesBehind(&s.Principal) {
		return false
	}
	s.goBehind(taken, left)
	return true
}

// goBehind ends the turn; the message comes again in the next one.
func (s *session) goBehind(taken, left int) {
	s.handled = &handled{count: taken, left: left}
	s.conn.Yield()
	s.conn.Again()()
}
