package main

import (
	"context"
	"log/slog"

	"webim/netpoll"
	"webim/room"
	"webim/room/chat"
)

// roomConfig is the settings that package room has.
func (c *config) roomConfig() room.Config {
	return room.Config{
		History: room.Limits{
			MaxMessages: c.HistoryMessages, MaxBytes: c.HistoryBytes, MaxAge: c.HistoryAge, MaxTotal: int64(c.HistoryTotal),
		},
		MaxRooms: c.MaxRooms, MaxMembers: c.MaxMembers, MaxUnswept: c.MaxUnswept, MaxPause: c.MaxPause,
		MaxConnsPerUser: c.MaxConnsPerUser, MaxRoomsPerConn: c.MaxRoomsPerConn, MaxCommands: c.MaxCommands, MaxPresence: c.MaxPresence,
		Rates:     room.Rates{Join: c.RateJoin, Send: c.RateSend, Typing: c.RateTyping, Read: c.RateRead, RPC: c.RateRPC},
		UserRates: room.Rates{Join: c.UserRateJoin, Send: c.UserRateSend, Typing: c.UserRateTyping, Read: c.UserRateRead, RPC: c.UserRateRPC},
		Refusals:  c.MaxRefusals,
		Anonymous: c.anonymous(), Version: "webim " + version,
		Calls: chat.New(chat.Config{}), Said: chat.Said, Personal: c.Personal,
		Text:    room.TextLimits{Bytes: c.MaxText, Graphemes: c.MaxGraphemes},
		Options: c.patterns().Options,
	}
}

// patterns are those of the file; behind them comes what --open says of all
// other rooms; --dev adds all that an SDK may ask for.
func (c *config) patterns() (ps room.Patterns) {
	for i := range c.rooms {
		ps = append(ps, c.rooms[i].pattern())
	}
	if !c.Open {
		return ps
	}
	rest := room.Options{
		History: room.Retention{Messages: max(0, c.HistoryMessages), Bytes: c.HistoryBytes, Age: c.HistoryAge},
		Rights:  room.OpenRights(),
	}
	if c.Dev {
		rest.Recoverable, rest.Recover, rest.Presence, rest.Notices = true, true, true, true
	}
	return append(ps, room.Pattern{Match: "*", Options: rest})
}

// anonymous: who has no token is let in only where there is something to do.
func (c *config) anonymous() bool { return c.patterns().Allow(room.RoleAnonymous) }

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
