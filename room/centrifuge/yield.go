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

// endTurn ends the turn if it has done enough, and reports whether it has: it has no time left
// (over), or its replies carry as much as those of a turn may. The rest of the message waits
// for the next turn.
func (s *session) endTurn(all *wire.Commands, over bool) bool {
	if !s.IsTurnOver() && !over {
		return false
	}
	if len(all.Rest()) > 0 {
		s.yield(all.Taken(), len(all.Rest()))
	} else {
		s.conn.Yield()
	}
	return true
}

// mustYield ends the turn before a command that may have a large reply, if the connection
// has to wait in the background for it and does not yet. taken and left are those of hold.
func (s *session) mustYield(method wire.Method, c *protocol.Command, taken, left int) bool {
	if !s.isLarge(method, c) || !s.d.hub.GoesBehind(&s.Principal) {
		return false
	}
	s.yield(taken, left)
	return true
}

// yield ends the turn; the message comes again in the next one.
func (s *session) yield(taken, left int) {
	s.partial = &partialBatch{count: taken, left: left}
	s.conn.Yield()
	s.conn.Again()()
}
