package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/wire"
)

// classOf returns the class of a command. The class selects the rate that limits it.
func (s *session) classOf(m wire.Method, c *protocol.Command) room.Class {
	switch m {
	case wire.Subscribe:
		return room.ClassJoin
	case wire.Publish:
		return room.ClassSend
	case wire.History, wire.Presence, wire.PresenceStats:
		return room.ClassRead
	case wire.RPC:
		return s.d.hub.ClassOfCall(c.Rpc.GetMethod())
	case wire.Send, wire.Connect, wire.Refresh, wire.SubRefresh:
		return room.ClassRPC
	}
	return room.ClassOther
}
