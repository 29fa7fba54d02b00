package room

import (
	"net/netip"

	"webim/room/token"
)

// IsOperator reports whether somebody whom Identify has made known may see, at this
// moment, what only those may who run the server: see ActWatch.
func (h *Hub) IsOperator(who *token.Identity, addr netip.Addr) bool {
	return h.Decide(who, addr, ActWatch, "") == nil
}
