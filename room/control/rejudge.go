package control

import (
	"webim/netpoll"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/wire"
)

// Rejudge judges the members of this node anew, after the rights of rooms have changed: a member that may no longer be in a
// room leaves it, and its client is told why. rooms are the names of all rooms. Rejudge asks neither a backend nor a roster
// again: their answers stay in force. It walks all connections, about a microsecond each, and may be called from any
// goroutine, with no lock held.
func (c *Controller) Rejudge(rooms []string) {
	for _, s := range c.sessionsIn("", func(identity.Session) bool { return true }) {
		s.Rejudge()
	}
	for _, room := range rooms {
		c.closePlain(room, wire.DisconnectPermissionDenied, judge.NoLongerHere, func(conn netpoll.Conn) bool {
			who := policy.Subject{Who: identity.Of(conn), Addr: c.cfg.Judge.AddressForBans(conn)}
			return !c.cfg.Judge.MayStay(who, room, policy.Membership{})
		})
	}
}
