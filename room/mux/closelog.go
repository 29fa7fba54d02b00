package mux

import (
	"webim/netpoll"
	"webim/room"
	"webim/room/identity"
)

// seeCause has the settings to look at when netpoll closes a connection by a rule.
var seeCause = map[netpoll.Cause]string{
	netpoll.ProtocolError: "",
	netpoll.BadText:       "",
	netpoll.TooBig:        "max_message, max_first_message",
	netpoll.OutOfMemory:   "max_unfinished, max_queued",
	netpoll.ControlFlood:  "",
	netpoll.Slow:          "max_queue",
	netpoll.Unfinished:    "",
}

// logClose logs that netpoll has closed a connection by a rule. The dialects log the other refusals.
func (h *Handler) logClose(c netpoll.Conn, why netpoll.Closed) {
	see, ok := seeCause[why.Cause]
	if !ok {
		return
	}
	h.hub.RefusalLog().Info("a connection is closed by a rule: "+why.Cause.String(), identity.Logged(c), "room", room.Clipped(h.roomOf(c)), "code", int(why.Code), "reason", why.Reason, "see", see)
}

// roomOf returns a room that a connection is in, or "".
func (h *Handler) roomOf(c netpoll.Conn) string {
	if s := identity.SessionOf(c); s != nil {
		if all := s.Rooms(); len(all) > 0 {
			return all[0]
		}
	} else if m, ok := h.hub.Member(c); ok {
		return m.Room.Name()
	}
	return ""
}
