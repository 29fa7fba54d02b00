package netpoll

import (
	"errors"
	"fmt"
	"runtime/debug"

	"webim/netpoll/internal/refusal"

	"github.com/gobwas/ws"
)

// These functions call the handler. Each of them recovers: a panic closes one connection, and the
// worker goes on.
func (s *Server) handshaking(q *Request) {
	h, ok := s.handlerOf(q.r).(Handshaker)
	if !ok {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.logPanic("Handshake", v)
			q.refused = refusal.ErrInternal
		}
	}()
	if h.Handshake(q); q.refused != nil {
		q.refused.Header = string(q.extra)
	}
}

// originAllowed asks Config.CheckOrigin.
func (s *Server) originAllowed(q *Request) (bad *refusal.Error) {
	defer func() {
		if v := recover(); v != nil {
			s.logPanic("CheckOrigin", v)
			bad = refusal.ErrInternal
		}
	}()
	if !s.cfg().CheckOrigin(q) {
		return refusal.BadOrigin(q.Origin())
	}
	return nil
}

func (s *Server) opening(r *record, q *Request) {
	defer s.recovered(r, "Open")
	s.handlerOf(r).Open(s.conn(r), q)
}

// adopted calls the handler for a connection that was adopted.
func (s *Server) adopted(r *record, data []byte) error {
	mover, ok := s.handlerOf(r).(Mover)
	if !ok {
		return errors.New("its listener's handler takes over no connections")
	}
	err := errors.New("panic in Adopt")
	s.guard("Adopt", func() { err = mover.Adopt(s.conn(r), data) })
	return err
}

func (s *Server) message(r *record, op ws.OpCode, data []byte) {
	defer s.recovered(r, "Message")
	s.handlerOf(r).Message(s.conn(r), op, data)
}

func (s *Server) ponged(r *record, payload []byte) {
	if h, ok := s.handlerOf(r).(Ponger); ok {
		defer s.recovered(r, "Pong")
		h.Pong(s.conn(r), payload)
	}
}

// tellWatermark calls Fuller or Drainer if the state of the watermarks has changed since the last
// call.
func (s *Server) tellWatermark(r *record) {
	r.flags.And(^fWatermark)
	if r.flags.Load()&(fOpen|fClosing) != fOpen {
		return
	}
	r.mu.Lock()
	high := r.w&wHigh != 0
	r.mu.Unlock()
	if high == (r.flags.Load()&fToldFull != 0) {
		return // it went over and back since
	}
	if high {
		r.flags.Or(fToldFull)
	} else {
		r.flags.And(^fToldFull)
	}
	defer s.recovered(r, "Full or Drained")
	h := s.handlerOf(r)
	if f, ok := h.(Fuller); ok && high {
		f.Full(s.conn(r))
	} else if d, ok := h.(Drainer); ok && !high {
		d.Drained(s.conn(r))
	}
}

// closeAs begins a close that the server decides on, with the code that the handler chooses for it.
func (s *Server) closeAs(r *record, gen uint32, c closing) {
	if h, ok := s.handlerOf(r).(Coder); ok && r.flags.Load()&fOpen != 0 {
		if code, reason := h.CloseCode(Conn{s, r, gen}, c.cause); code != 0 {
			c.code, c.reason, c.frame = code, reason, true
			c.trim = c.cause == Slow
		}
	}
	s.beginClose(r, gen, c)
}

// closeForShutdown closes one connection: with 1001 if it is open, and with 503 if it is not open
// yet and can get an answer. Once draining must end, it closes without a word, because abortAll
// may have listed the connections already.
func (s *Server) closeForShutdown(c Conn) {
	if s.drainCtx.Err() != nil {
		s.beginClose(c.r, c.gen, closing{cause: Shutdown})
		return
	}
	s.closeAs(c.r, c.gen, closing{cause: Shutdown, code: ws.StatusGoingAway, reason: refusal.ErrStopping.Text, frame: true, early: refusal.ErrStopping})
}

func (s *Server) closed(r *record, why Closed) {
	defer s.recovered(r, "Close")
	s.handlerOf(r).Close(s.conn(r), why)
}

func (s *Server) recovered(r *record, where string) {
	if v := recover(); v != nil {
		s.logPanic(where, v)
		s.beginClose(r, r.gen.Load(), closing{cause: HandlerPanic, code: ws.StatusInternalServerError, reason: "internal error", frame: true})
	}
}

// guard calls a function of the user that belongs to no connection.
func (s *Server) guard(where string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(where, v)
		}
	}()
	f()
}

func (s *Server) logPanic(where string, v any) {
	s.stats.panics.Add(1)
	s.cfg().Logger.Error("netpoll: panic in a callback", "callback", where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

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
