// Package mux picks the dialect of each connection by the path of its request, and passes the
// connection's events to that dialect. Its Handler is the netpoll.Handler of a hub.
//
//	path                dialect         the handler then recognises the connection by
//	of a room           plain           its tag, which holds the room
//	centrifuge.Path     centrifuge      its data, a session
//	of the server's own refused, 404
//	malformed           refused, 400
//
// The subprotocol selects the encoding of the Centrifuge protocol, and never the dialect.
package mux

import (
	"context"
	"net/http"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/centrifuge"
	"webim/room/flight"
	"webim/room/plain"
	"webim/room/wire"
)

// Handler serves the connections of a hub in both dialects.
type Handler struct {
	hub        *room.Hub
	plain      *plain.Dialect
	centrifuge *centrifuge.Dialect
	flights    *flight.Recorder // nil: none
}

// New makes the handler of a hub.
func New(hub *room.Hub) *Handler {
	return &Handler{hub: hub, plain: plain.New(hub), centrifuge: centrifuge.New(hub)}
}

// Record makes a flight recorder record the ends of the connections. Call it before Start.
func (h *Handler) Record(in *flight.Recorder) { h.flights = in }

// Hub returns the hub of New.
func (h *Handler) Hub() *room.Hub { return h.hub }

// Start connects the hub and its dialects to a server. Call it before the server listens. See
// room.Hub.Start.
func (h *Handler) Start(s *netpoll.Server) {
	h.hub.Start(s)
	h.centrifuge.Start(s)
}

// Handshake implements netpoll.Handler: it passes the request to the dialect of its path. It
// refuses a malformed path with 400, and a path that belongs to neither dialect with 404.
func (h *Handler) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	if !ok {
		h.refuse(r, http.StatusBadRequest, "malformed URL")
		return
	}
	switch target, name, err := wire.TargetOf(path); {
	case err != nil:
		h.refuse(r, http.StatusBadRequest, err.Error())
	case target == wire.TargetEndpoint:
		h.centrifuge.Handshake(r)
	case target == wire.TargetRoom:
		h.plain.Handshake(r, name)
	default:
		h.refuse(r, http.StatusNotFound, "this path is no room: the Centrifuge protocol is spoken at "+centrifuge.Path+", and rooms do not begin with the server's own names")
	}
}

// refuse refuses a handshake because of its path, and logs that.
func (h *Handler) refuse(r *netpoll.Request, status int, why string) {
	path, _ := r.Path()
	h.hub.RefusalLog().Info("a client is refused because of its path", "reason", why, "status", status, "path", room.Clipped(path), "addr", netpoll.RemoteText(r.Remote()))
	r.Refuse(status, why)
}

// Open implements netpoll.Handler: the dialect of the path makes a member or a session.
func (h *Handler) Open(c netpoll.Conn, r *netpoll.Request) {
	h.hub.CountArrival()
	path, _ := r.Path()
	target, name, _ := wire.TargetOf(path) // Handshake has refused all others
	if target == wire.TargetEndpoint {
		h.centrifuge.Open(c, r)
	} else {
		h.plain.Open(c, name)
	}
	if h.flights != nil {
		h.flights.Opened(h.hub, c)
	}
}

// Message implements netpoll.Handler. A connection that is a member by itself speaks the plain
// dialect. If the dialect cannot handle a message yet, for example because too many messages of
// the room are unswept, netpoll calls Message again with the same message. So a handler in front
// of this one calls it last, and once for each message.
func (h *Handler) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if m, ok := h.hub.Member(c); ok {
		h.plain.Message(m, op, data)
	} else {
		h.centrifuge.Message(c, op, data)
	}
}

// Close implements netpoll.Handler. Each dialect ignores the connections of the other one.
func (h *Handler) Close(c netpoll.Conn, why netpoll.Closed) {
	h.logClose(c, why)
	if h.flights != nil {
		h.flights.Closed(h.hub, c, why)
	}
	h.plain.Close(c, why)
	h.centrifuge.Close(c, why)
}

// Traced implements netpoll.Tracer.
func (h *Handler) Traced(c netpoll.Conn, e netpoll.Event) {
	if h.flights != nil {
		h.flights.Traced(c, e)
	}
}

// CloseCode implements netpoll.Coder.
func (h *Handler) CloseCode(c netpoll.Conn, cause netpoll.Cause) (ws.StatusCode, string) {
	return h.centrifuge.CloseCode(c, cause)
}

// Spend implements netpoll.Meter.
func (h *Handler) Spend(c netpoll.Conn, cost netpoll.Cost) netpoll.Treatment {
	return h.hub.Spend(c, cost)
}

// Settle implements netpoll.Settler.
func (h *Handler) Settle(ctx context.Context, conns []netpoll.Conn) { h.hub.Settle(ctx, conns) }

// Drained implements netpoll.Drainer.
func (h *Handler) Drained(c netpoll.Conn) { h.centrifuge.Drained(c) }
