package mux

import (
	"fmt"

	"webim/netpoll"
)

// The first byte of the data of a connection that moves says which dialect it speaks.
const (
	movedPlain      = 1
	movedCentrifuge = 2
)

// Export implements netpoll.Mover. A connection stays if it waits for an answer, or is in no room and has no session.
func (h *Handler) Export(c netpoll.Conn, dst []byte) (data []byte, ok bool) {
	if _, member := h.hub.Member(c); member {
		return h.plain.Export(c, append(dst, movedPlain))
	}
	return h.centrifuge.Export(c, append(dst, movedCentrifuge))
}

// Stay implements netpoll.Mover.
func (h *Handler) Stay(c netpoll.Conn) { h.centrifuge.Stay(c) }

// Adopt implements netpoll.Mover.
func (h *Handler) Adopt(c netpoll.Conn, data []byte) error {
	if len(data) > 0 {
		switch data[0] {
		case movedPlain:
			return h.plain.Adopt(c, data[1:])
		case movedCentrifuge:
			return h.centrifuge.Adopt(c, data[1:])
		}
	}
	return fmt.Errorf("mux: the connection %x speaks an unknown dialect", c.ID())
}
