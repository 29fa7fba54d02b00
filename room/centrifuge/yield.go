package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// The time that a worker needs for a command. The unit is one small message, which takes about a
// microsecond; see netpoll.Conn.Spent.
const (
	commandWork = 16
	publishWork = 1
)

// workOf returns the work of a command, whether it is refused or not.
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

// endTurn ends the turn if its work is used up (over), or if its replies are as large as those of a turn
// may be, and reports whether it has. The rest of the message waits for the next turn.
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

// mustYield ends the turn before a command that may have a large reply if the connection must first go
// to the background, and reports whether it has. taken and left are those of hold.
func (s *session) mustYield(method wire.Method, c *protocol.Command, taken, left int) bool {
	if !s.isLarge(method, c) || !s.d.hub.Meter().MoveToBackground(&s.Usage) {
		return false
	}
	s.yield(taken, left)
	return true
}

// yield ends the turn. netpoll brings the message again in the next one.
func (s *session) yield(taken, left int) {
	s.partial = &partialBatch{count: taken, left: left}
	s.conn.Yield()
	s.conn.Again()()
}
