package netpoll

import "github.com/gobwas/ws"

// Recovered is for a deferred call by a goroutine of the handler that works for a connection. If the
// goroutine panics, Recovered does what a worker does when a callback panics: it logs the panic with
// its stack, counts it in Stats.Panics and closes the connection with 1011. The panic ends there, as
// that of a request does in net/http.
func (c Conn) Recovered(where string) {
	if v := recover(); v != nil {
		c.s.logPanic(where, v)
		c.s.beginClose(c.r, c.gen, closing{cause: HandlerPanic, code: ws.StatusInternalServerError, reason: "internal error", frame: true})
	}
}

// Recovered is Conn.Recovered for a goroutine that works for no connection.
func (s *Server) Recovered(where string) {
	if v := recover(); v != nil {
		s.logPanic(where, v)
	}
}
