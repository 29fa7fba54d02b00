package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// The time that a worker needs for a command, in small messages (see netpoll.Conn.Spent):
// a microsecond or so each.
const (
	commandWork = 16
	publishWork = 1
)

// workOf is the work of a command, also if it is refused.
func workOf(method wire.Method, c *protocol.Command) int {
	switch {
	case method == wire.Pong || method == wire.Ping || method == wire.Send:
		return 1
	case method == wire.Publish:
		return publishWork
	case method == wire.Connect && c != nil:
		return commandWork * (1 + len(c.Connect.Subs))
	}
	return commandWork
}

// pastTurn notes that the turn has done enough: over says that it has no time left, or its
// replies carry as much as those of a turn may. It keeps what is left of the message, if
// there is more.
func (s *session) pastTurn(all *wire.Commands, over bool) bool {
	if !s.IsTurnOver() && !over {
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
	if !s.isLarge(method, c) || !s.d.hub.GoesBehind(&s.Principal) {
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
