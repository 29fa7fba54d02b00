package room

import (
	"net/http"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/wire"
)

// Handshake refuses connections to rooms that cannot be.
func (h *Hub) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	if !ok {
		r.Refuse(http.StatusBadRequest, "malformed URL")
		return
	}
	switch target, name, err := wire.TargetOf(path); {
	case err != nil:
		r.Refuse(http.StatusBadRequest, err.Error())
	case target == wire.TargetEndpoint:
		chooseEncoding(r)
	case target == wire.TargetRoom:
		h.greet(r, name)
	default:
		r.Refuse(http.StatusNotFound, "this path is no room: the Centrifuge protocol is spoken at "+ChatPath+", and rooms do not begin with the server's own names")
	}
}

// Open makes the connection a member of the room that its path names.
func (h *Hub) Open(c netpoll.Conn, r *netpoll.Request) {
	h.arrivals.came(h.now())
	path, _ := r.Path()
	target, name, _ := wire.TargetOf(path) // Handshake lets no other target and no error through
	if target == wire.TargetEndpoint {
		h.openSession(c, r)
		return
	}
	h.openPlain(c, name)
}

// Message publishes what a member sends, or handles the commands of a session.
// A message that its room has no room for comes again when there is; so whoever
// hands messages on to the hub does so last, and once for each.
func (h *Hub) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if m, ok := h.Member(c); ok {
		h.plainMessage(m, op, data)
	} else if s := sessionAt(c); s != nil {
		s.message(op, data)
	}
}

// Close ends the connection's membership.
func (h *Hub) Close(c netpoll.Conn, why netpoll.Closed) {
	if m, ok := h.Member(c); ok {
		if h.Asks(HookDisconnect, "") {
			h.TellDisconnect(authorOf(c), []string{m.Room.Name()}, why)
		}
		h.Leave(m)
	} else if s := sessionAt(c); s != nil && s.Connected() && h.Asks(HookDisconnect, "") {
		h.TellDisconnect(s.AuthorIn(""), s.Rooms(), why)
	}
	switch d := c.Data().(type) {
	case *session:
		d.close()
	case *Principal:
		h.UncountConnection(d)
		if d.Identity() != Anonymous {
			h.CountBearer(-1)
		}
	}
}

// CloseCode implements netpoll.Coder: the centrifuge dialect has codes of its
// own, after which clients come back.
func (h *Hub) CloseCode(c netpoll.Conn, cause netpoll.Cause) (ws.StatusCode, string) {
	code := wire.DisconnectShutdown
	if cause == netpoll.Slow {
		code = wire.DisconnectSlow
	}
	if sessionAt(c) == nil {
		return 0, ""
	}
	return ws.StatusCode(code), code.Text()
}
