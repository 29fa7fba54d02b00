package control

import (
	"net/netip"

	"webim/netpoll"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// EnforceBan implements moderation.Enforcer.
func (c *Controller) EnforceBan(room, user string) {
	c.enforce(func() {
		bound := c.sessionsOf(user)
		c.removeBanned(room, bound, c.bearers.Load() > 0)
		as := make([]*token.Identity, len(bound))
		for i, s := range bound {
			as[i] = s.Identity()
		}
		c.cfg.Moderator.RemoveFromRoster(room, user, as...)
	})
}

// EnforceNetworkBan implements moderation.Enforcer.
func (c *Controller) EnforceNetworkBan(room string, net netip.Prefix) {
	c.enforce(func() {
		c.removeBanned(room, c.sessionsIn(room, func(s identity.Session) bool { return net.Contains(identity.AddressOf(s.Conn())) }), true)
	})
}

// removeBanned ends the memberships in a room of those of the sessions that are banned there; without a
// room, it closes their connections. If plain is true, it also checks all plain connections in the room,
// or on the server.
func (c *Controller) removeBanned(room string, some []identity.Session, plain bool) {
	j := c.cfg.Judge
	for _, s := range some {
		switch {
		case !j.IsBanned(j.SubjectOf(s), room): // an admin, or the ban has ended
		case room == "":
			s.Disconnect(wire.DisconnectBanned)
		default:
			s.Leave(room)
		}
	}
	if plain {
		c.closePlain(room, wire.DisconnectBanned, wire.DisconnectBanned.Text(), func(conn netpoll.Conn) bool {
			return j.IsBanned(policy.Subject{Who: identity.Of(conn), Addr: identity.AddressOf(conn)}, room)
		})
	}
}
