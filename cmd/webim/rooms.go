package main

import (
	"context"
	"log/slog"

	"webim/netpoll"
	"webim/room"
)

// roomConfig is the settings that package room has.
func (c *config) roomConfig() room.Config {
	rc := room.Config{
		History: room.Limits{
			MaxMessages: c.HistoryMessages, MaxBytes: c.HistoryBytes, MaxAge: c.HistoryAge, MaxTotal: int64(c.HistoryTotal),
		},
		MaxRooms: c.MaxRooms, MaxMembers: c.MaxMembers, MaxUnswept: c.MaxUnswept, MaxPause: c.MaxPause,
		Anonymous: c.Dev, Version: "webim " + version,
	}
	if c.Dev {
		// An SDK is to work with `make run` as it is.
		rc.Options = room.Patterns{{Match: "*", Options: room.Options{
			History:     room.Retention{Messages: max(0, c.HistoryMessages), Bytes: c.HistoryBytes, Age: c.HistoryAge},
			Recoverable: true, Recover: true, Presence: true, Notices: true,
		}}}.Options
	}
	return rc
}

// handler returns the hub itself, or, when debug lines are wanted, the hub
// behind one that logs: otherwise nobody pays for it.
func handler(hub *room.Hub, log *slog.Logger) netpoll.Handler {
	if log.Enabled(context.Background(), slog.LevelDebug) {
		return &loggedHub{hub, log}
	}
	return hub
}

// loggedHub logs opens and closes. What the hub has besides, as Handshake, it
// has too.
type loggedHub struct {
	*room.Hub
	log *slog.Logger
}

// Open logs and goes on to the hub.
func (h *loggedHub) Open(c netpoll.Conn, r *netpoll.Request) {
	path, _ := r.Path()
	h.log.Debug("open", "conn", c.ID(), "fd", c.FD(), "remote", r.Remote().String(), "path", path, "origin", r.Origin(), "tls", r.TLS())
	h.Hub.Open(c, r)
}

// Close logs and goes on to the hub.
func (h *loggedHub) Close(c netpoll.Conn, why netpoll.Closed) {
	h.log.Debug("close", "conn", c.ID(), "fd", c.FD(), "cause", why.Cause.String(), "code", int(why.Code), "reason", why.Reason)
	h.Hub.Close(c, why)
}
