// Package mux picks the dialect of a connection and hands its events to it. Its Handler is
// the netpoll.Handler of a hub.
//
// A request for a room's path speaks the plain dialect, one for centrifuge.Path the
// Centrifuge protocol; any other path is refused. After that a plain connection is known by
// its tag, which names its room, or by its data, which is no session.
package mux

import (
	"context"
	"net/http"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/centrifuge"
	"webim/room/plain"
	"webim/room/wire"
)

// Handler serves the connections of a hub in both dialects.
type Handler struct {
	hub        *room.Hub
	plain      *plain.Dialect
	centrifuge *centrifuge.Dialect
}

// New makes the handler of a hub.
func New(hub *room.Hub) *Handler {
	return &Handler{hub, plain.New(hub), centrifuge.New(hub)}
}

// Hub is the hub whose connections the handler serves.
func (h *Handler) Hub() *room.Hub { return h.hub }

// Start joins the hub and its dialects with a server, before that listens. See
// room.Hub.Start.
func (h *Handler) Start(s *netpoll.Server) {
	h.hub.Start(s)
	h.centrifuge.Start(s)
}

// Handshake refuses connections to rooms that cannot be.
func (h *Handler) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	if !ok {
		r.Refuse(http.StatusBadRequest, "malformed URL")
		return
	}
	switch target, name, err := wire.TargetOf(path); {
	case err != nil:
		r.Refuse(http.StatusBadRequest, err.Error())
	case target == wire.TargetEndpoint:
		h.centrifuge.Handshake(r)
	case target == wire.TargetRoom:
		h.plain.Handshake(r, name)
	default:
		r.Refuse(http.StatusNotFound, "this path is no room: the Centrifuge protocol is spoken at "+centrifuge.Path+", and rooms do not begin with the server's own names")
	}
}

// Open makes the connection a member of the room that its path names, or a session.
func (h *Handler) Open(c netpoll.Conn, r *netpoll.Request) {
	h.hub.CountArrival()
	path, _ := r.Path()
	target, name, _ := wire.TargetOf(path) // Handshake lets no other target and no error through
	if target == wire.TargetEndpoint {
		h.centrifuge.Open(c, r)
		return
	}
	h.plain.Open(c, name)
}

// Message publishes what a member sends, or handles the commands of a session. A message
// that its room has no room for comes again when there is; so a handler in front of this
// one calls it last, and once for each message.
func (h *Handler) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if m, ok := h.hub.Member(c); ok {
		h.plain.Message(m, op, data)
	} else {
		h.centrifuge.Message(c, op, data)
	}
}

// Close ends the connection's memberships. Each dialect passes over the other's.
func (h *Handler) Close(c netpoll.Conn, why netpoll.Closed) {
	h.plain.Close(c, why)
	h.centrifuge.Close(c, why)
}

// CloseCode implements netpoll.Coder.
func (h *Handler) CloseCode(c netpoll.Conn, cause netpoll.Cause) (ws.StatusCode, string) {
	return h.centrifuge.CloseCode(c, cause)
}

// Spend implements netpoll.Meter.
func (h *Handler) Spend(c netpoll.Conn, cost netpoll.Cost) netpoll.Verdict {
	return h.hub.Spend(c, cost)
}

// Settle implements netpoll.Settler.
func (h *Handler) Settle(ctx context.Context, conns []netpoll.Conn) { h.hub.Settle(ctx, conns) }

// Drained implements netpoll.Drainer.
func (h *Handler) Drained(c netpoll.Conn) { h.centrifuge.Drained(c) }
