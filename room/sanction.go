package room

import (
	"net/netip"

	"webim/netpoll"
	"webim/room/moderation"
	"webim/room/shares"
	"webim/room/token"
	"webim/room/wire"
)

// Names of package moderation that package room uses.
type (
	Sanction = moderation.Sanction
	Audit    = moderation.Audit
)

// MaxReason is moderation.MaxReason.
const MaxReason = moderation.MaxReason

// ParseNetwork is moderation.ParseNetwork.
var ParseNetwork = moderation.ParseNetwork

// enforcer is the hub as moderation.Node. The watchers of the State call it with locks held, so it
// does its work later.
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
		h.remove(room, h.sessionsIn(room, func(s Session) bool { return net.Contains(AddressOf(s.Conn())) }), true)
	})
}

// newModerator returns the moderator of a hub.
func newModerator(h *Hub) *moderation.Moderator {
	return moderation.New(moderation.Config{Node: enforcer{h}, State: h.engine, StateOf: h.shares.StateOf, StateError: shares.ClientError, Audit: h.cfg.Audit})
}

// Struck tells whether a user, who is no admin, is banned in a room by name.
func (h *Hub) Struck(room, user string) bool { return h.BanBinds(room, &token.Identity{User: user}) }

// Banned tells whether a user, who is no admin, may not be in a room, or anywhere.
func (h *Hub) Banned(room, user string) bool {
	return h.CheckBan(&token.Identity{User: user}, netip.Addr{}, room) != nil
}

// remove ends what those of the sessions that are banned have of a room, or,
// without one, their connections; and plain ones, if that is asked for, of which all
// in the room are looked at.
func (h *Hub) remove(room string, some []Session, plain bool) {
	for _, s := range some {
		switch {
		case h.CheckSessionBan(s, room) == nil: // it is an admin, or the ban is over
		case room == "":
			s.Disconnect(wire.DisconnectBanned)
		default:
			s.Leave(room)
		}
	}
	if plain {
		h.closePlain(room, wire.DisconnectBanned, wire.DisconnectBanned.Text(), func(c netpoll.Conn) bool {
			return h.CheckBan(identityOf(c), AddressOf(c), room) != nil
		})
	}
}

// AddressOf is where a connection comes from.
func AddressOf(c netpoll.Conn) netip.Addr {
	remote, _ := c.Remote()
	return remote.Addr().Unmap().WithZone("") // no network contains an address with a zone
}
