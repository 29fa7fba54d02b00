package netpoll

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/refusal"
)

// Handler gets the events of WebSocket connections. The calls for one connection come one at a time
// and in order. Calls for different connections come at the same time from different workers, so a
// handler guards the state that it shares. No call may block; see Conn.Later and Conn.Again. A
// panic closes the connection with 1011.
type Handler interface {
	// Open is called when the handshake is done. r is valid until Open returns. Swoole's open.
	Open(c Conn, r *Request)
	// Message is called for each whole message. op is ws.OpText (then data is UTF-8) or
	// ws.OpBinary. data is valid until Message returns, and may be changed. Swoole's message.
	Message(c Conn, op ws.OpCode, data []byte)
	// Close is called exactly once per Open, after the socket is closed. c still answers Info, FD,
	// Tag and Data; pushing returns ErrClosed. Swoole's close.
	Close(c Conn, why Closed)
}

// Optional interfaces of a Handler.
type (
	// Handshaker decides about an upgrade before the server answers it. Handshake may refuse with
	// Request.Refuse, add response headers, choose a subprotocol and set the connection's data.
	// Swoole's handshake.
	Handshaker interface{ Handshake(r *Request) }
	// Fuller is called when a connection's queue has grown above HighWater. Swoole's bufferFull.
	Fuller interface{ Full(c Conn) }
	// Drainer is called when the queue has shrunk below LowWater after that. Swoole's bufferEmpty.
	Drainer interface{ Drained(c Conn) }
	// Ponger is called for pong frames. payload is valid until Pong returns.
	Ponger interface{ Pong(c Conn, payload []byte) }
	// Settler is for a handler that gathers output before it pushes it. Shutdown calls Settle
	// before it closes some open connections, and Settle pushes the output that the handler has
	// gathered for them. It may wait for workers, but not longer than until ctx ends.
	Settler interface {
		Settle(ctx context.Context, conns []Conn)
	}
	// Coder chooses the code and the reason of the Close frame when the server itself closes an
	// open connection with cause Shutdown or Slow. With code 0 the frame has 1001 for Shutdown, and
	// there is no frame for Slow. With a frame, a slow client's queue is dropped, except a frame
	// that is partly written. Any goroutine may call CloseCode, which must not call back.
	Coder interface {
		CloseCode(c Conn, cause Cause) (code ws.StatusCode, reason string)
	}
)

// Funcs makes a Handler of functions. A function that is nil does nothing.
type Funcs struct {
	OnHandshake func(r *Request)
	OnOpen      func(c Conn, r *Request)
	OnMessage   func(c Conn, op ws.OpCode, data []byte)
	OnClose     func(c Conn, why Closed)
	OnFull      func(c Conn)
	OnDrained   func(c Conn)
	OnPong      func(c Conn, payload []byte)
}

// Handshake calls OnHandshake.
func (f *Funcs) Handshake(r *Request) {
	if f.OnHandshake != nil {
		f.OnHandshake(r)
	}
}

// Open calls OnOpen.
func (f *Funcs) Open(c Conn, r *Request) {
	if f.OnOpen != nil {
		f.OnOpen(c, r)
	}
}

// Message calls OnMessage.
func (f *Funcs) Message(c Conn, op ws.OpCode, data []byte) {
	if f.OnMessage != nil {
		f.OnMessage(c, op, data)
	}
}

// Close calls OnClose.
func (f *Funcs) Close(c Conn, why Closed) {
	if f.OnClose != nil {
		f.OnClose(c, why)
	}
}

// Full calls OnFull.
func (f *Funcs) Full(c Conn) {
	if f.OnFull != nil {
		f.OnFull(c)
	}
}

// Drained calls OnDrained.
func (f *Funcs) Drained(c Conn) {
	if f.OnDrained != nil {
		f.OnDrained(c)
	}
}

// Pong calls OnPong.
func (f *Funcs) Pong(c Conn, payload []byte) {
	if f.OnPong != nil {
		f.OnPong(c, payload)
	}
}

// Closed is the reason of a connection's end.
type Closed struct {
	Cause Cause
	// Code is the code of the Close frame, the client's or ours: 1005 if the frame had none, 1006
	// if there was no frame.
	Code ws.StatusCode
	// Reason is the Close frame's text.
	Reason string
	// By is the party that caused the end.
	By Party
}

func (s *Server) handlerOf(r *record) Handler { return s.listeners()[r.listener].Handler }

func (s *Server) conn(r *record) Conn { return Conn{s, r, r.gen.Load()} }

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
