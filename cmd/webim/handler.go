package main

import (
	"context"
	"log/slog"

	"webim/netpoll"
	"webim/room/mux"
)

// loggedHandler logs opened and closed connections, at debug level. It has all other methods of the handler.
type loggedHandler struct {
	*mux.Handler
	log *slog.Logger
}

// Open logs the connection and passes it on.
func (h *loggedHandler) Open(c netpoll.Conn, r *netpoll.Request) {
	if h.log.Enabled(context.Background(), slog.LevelDebug) {
		h.logOpen(c, r)
	}
	h.Handler.Open(c, r)
}

func (h *loggedHandler) logOpen(c netpoll.Conn, r *netpoll.Request) {
	path, _ := r.Path()
	h.log.Debug("open", "conn", c.ID(), "fd", c.FD(), "remote", netpoll.RemoteText(r.Remote()), "path", path, "origin", r.Origin(), "tls", r.TLS())
}

// Close logs the end of the connection and passes it on.
func (h *loggedHandler) Close(c netpoll.Conn, why netpoll.Closed) {
	if h.log.Enabled(context.Background(), slog.LevelDebug) {
		h.log.Debug("close", "conn", c.ID(), "fd", c.FD(), "cause", why.Cause.String(), "code", int(why.Code), "reason", why.Reason)
	}
	h.Handler.Close(c, why)
}
