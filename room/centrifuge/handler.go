package centrifuge

import (
	"strings"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/backend"
	"webim/room/policy"
	"webim/room/wire"
)

// Handshake selects the first subprotocol of the dialect that the client offers. Without one, the
// encoding is JSON, unless the URL asks for Protobuf, as older clients do.
func (d *Dialect) Handshake(r *netpoll.Request) {
	for p := range strings.SplitSeq(r.Header("Sec-WebSocket-Protocol"), ",") {
		if p = strings.TrimSpace(p); p == wire.SubprotocolJSON || p == wire.SubprotocolProtobuf {
			r.SetSubprotocol(p)
			return
		}
	}
}

// asksProtobuf reports whether the URL asks for Protobuf.
func asksProtobuf(r *netpoll.Request) bool {
	q := r.Query()
	return q.Get("format") == "protobuf" || q.Get("cf_protocol") == "protobuf"
}

// Open makes the session of a connection. The client must send a connect command within
// room.Config.ConnectTimeout.
func (d *Dialect) Open(c netpoll.Conn, r *netpoll.Request) {
	enc := wire.JSON
	if p := r.Subprotocol(); p == wire.SubprotocolProtobuf || p == "" && asksProtobuf(r) {
		enc = wire.Protobuf
	}
	s := newSession(d, c, enc)
	s.keepHeaders(r)
	c.SetData(s)
	c.Restrict(d.hub.Meter().Limits(policy.ClassInput))
	d.hub.At(time.Now().Add(s.cfg().ConnectTimeout), s.mustConnect)
}

// Message handles the commands of one message.
func (d *Dialect) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if s := sessionAt(c); s != nil {
		s.message(op, data)
	}
}

// Close ends a session.
func (d *Dialect) Close(c netpoll.Conn, why netpoll.Closed) {
	s := sessionAt(c)
	if s == nil {
		return
	}
	if s.Connected() && d.hub.Asks(backend.HookDisconnect, "") {
		d.hub.TellDisconnect(s.author(), s.Rooms(), why)
	}
	s.close()
}

// CloseCode implements netpoll.Coder: the dialect has its own codes for a shutdown and for a slow
// client. Clients reconnect after both.
func (d *Dialect) CloseCode(c netpoll.Conn, cause netpoll.Cause) (ws.StatusCode, string) {
	if sessionAt(c) == nil {
		return 0, ""
	}
	code := wire.DisconnectShutdown
	if cause == netpoll.Slow {
		code = wire.DisconnectSlow
	}
	return ws.StatusCode(code), code.Text()
}

// Drained implements netpoll.Drainer. When a client has read its replies, netpoll reads the connection
// again, and the session asks the backend its waiting questions.
func (d *Dialect) Drained(c netpoll.Conn) {
	s := sessionAt(c)
	if s == nil {
		return
	}
	if s.partial != nil && s.partial.drained != nil {
		s.partial.drained()
	}
	s.questions.Load().askNext()
}

// Handled returns how many commands of a connection's last message were handled. If waits is true, the
// others wait, and netpoll will bring the message again. Only the holder of the connection's turn may
// call it; a handler that measures how fairly turns are shared does so.
func Handled(c netpoll.Conn) (count int, waits bool) {
	s := sessionAt(c)
	if s == nil || s.partial == nil {
		return 0, false
	}
	return s.partial.count, true
}
