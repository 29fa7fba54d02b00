package room

import (
	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// classOf is the class of a command, which says what bounds it.
func (h *Hub) classOf(m wire.Method, c *protocol.Command) Class {
	switch m {
	case wire.Subscribe:
		return ClassJoin
	case wire.Publish:
		return ClassSend
	case wire.History, wire.Presence, wire.PresenceStats:
		return ClassRead
	case wire.RPC:
		return h.ClassOfCall(c.Rpc.GetMethod())
	case wire.Send, wire.Connect, wire.Refresh, wire.SubRefresh:
		return ClassRPC
	}
	return ClassOther
}
