package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/room/policy"
	"webim/room/wire"
)

// classOf returns the class of a command. The class selects the rate that limits it.
func (s *session) classOf(m wire.Method, c *protocol.Command) policy.Class {
	switch m {
	case wire.Subscribe:
		return policy.ClassJoin
	case wire.Publish:
		return policy.ClassSend
	case wire.History, wire.Presence, wire.PresenceStats:
		return policy.ClassRead
	case wire.RPC:
		if calls := s.d.hub.Config().Calls; calls != nil {
			return calls.ClassOf(c.Rpc.GetMethod())
		}
		return policy.ClassRPC
	case wire.Send, wire.Connect, wire.Refresh, wire.SubRefresh:
		return policy.ClassRPC
	}
	return policy.ClassOther
}
