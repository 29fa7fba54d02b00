package room

import (
	"net/netip"

	"webim/netpoll"
	"webim/room/judge"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/shares"
	"webim/room/token"
	"webim/room/wire"
)

// enforcer is the hub as moderation.Node. The watchers of the State call it with locks held, so it
// posts its work.
type enforcer struct{ *Hub }

// EnforceBan implements moderation.Node.
func (h enforcer) EnforceBan(room, user string) {
	h.Post(func() {
		bound := h.sessionsOf(user)
		h.remove(room, bound, h.bearers.Load() > 0)
		as := make([]*token.Identity, len(bound))
		for i, s := range bound {
			as[i] = s.state().who.Load()
		}
		h.RemoveFromRoster(room, user, as...)
	})
}

// EnforceNetworkBan implements moderation.Node.
func (h enforcer) EnforceNetworkBan(room string, net netip.Prefix) {
	h.Post(func() {
		h.remove(room, h.sessionsIn(room, func(s Session) bool { return net.Contains(judge.AddressOf(s.Conn())) }), true)
	})
}

// newModerator returns the moderator of a hub.
func newModerator(h *Hub) *moderation.Moderator {
	return moderation.New(moderation.Config{Node: enforcer{h}, State: h.engine, StateOf: h.shares.StateOf, StateError: shares.ClientError, Audit: h.cfg.Audit})
}

// remove ends the memberships in a room of those of the sessions that are banned there; without a room,
// it closes their connections. If plain is true, it also checks all plain connections in the room, or on
// the server.
func (h *Hub) remove(room string, some []Session, plain bool) {
	for _, s := range some {
		switch {
		case !h.judge.IsBanned(h.judge.SubjectOf(s), room): // an admin, or the ban has ended
		case room == "":
			s.Disconnect(wire.DisconnectBanned)
		default:
			s.Leave(room)
		}
	}
	if plain {
		h.closePlain(room, wire.DisconnectBanned, wire.DisconnectBanned.Text(), func(c netpoll.Conn) bool {
			return h.judge.IsBanned(policy.Subject{Who: IdentityOf(c), Addr: judge.AddressOf(c)}, room)
		})
	}
}
