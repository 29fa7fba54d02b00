package room

import (
	"net/netip"
	"time"

	"webim/room/token"
)

// IsOperator reports whether somebody whom Identify has made known may see, at this
// moment, what only those may who run the server: the role moderator or admin in all
// rooms, by a token that has not run out and was not revoked, of a user who is not
// banned.
func (h *Hub) IsOperator(who *token.Identity) bool {
	now := time.Now()
	for _, end := range []time.Time{who.Expires, who.TokenExpires} {
		if !end.IsZero() && !now.Before(end) {
			return false
		}
	}
	return rolesOf(who, "")&RoleModerator != 0 && !h.revoked(who) && !h.isBanned("", who, netip.Addr{})
}
