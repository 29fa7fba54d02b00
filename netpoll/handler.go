package netpoll

import (
	"context"
	"time"

	"github.com/gobwas/ws"
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

// Meter is an optional interface of a Handler that is told the cost of a connection's input. Spend
// runs on the connection's turn, as Message does: once for the bytes of one read, and once more
// after each compressed message. A pong that answers a ping costs nothing, so an idle connection
// never pays. Spend is also called, with a zero Cost, before a compressed message is inflated and
// when a rest has ended.
type Meter interface {
	Spend(c Conn, cost Cost) Treatment
}

// Cost is the work that a client has made for the server since the Meter was last called: reading
// and decoding, not the handler's own work.
type Cost struct {
	Bytes    int // read from the socket, with the headers of frames; with TLS after decryption, and TLS records without data count many times over
	Inflated int // the size of compressed messages after inflating
	Frames   int // frames and fragments, also control frames; a frame that arrives in pieces counts once for each piece
	Controls int // pings, and pongs that answer no ping of the server's
}

// Treatment is a Meter's decision about a connection. The zero value means to go on.
type Treatment struct {
	// Rest is the time for which the connection is not read. The kernel's buffer fills, then the
	// client's. After that the Meter is asked again. The resolution is 100 ms. As with Conn.Pause, the
	// client's end is noticed after the rest, or when a write fails: until then the connection exists
	// and counts in all limits.
	Rest time.Duration
	// Background makes the connection's turns wait for the turns of all others, and run on at most
	// half of the workers, until a later Treatment without it.
	Background bool
	// LargeBehind makes each message of more than 64 KiB, after inflating, wait in the background.
	LargeBehind bool
}

// Mover is an optional interface of a Handler whose open connections can move to another process. The server is
// frozen during the calls, so all pushes queue.
type Mover interface {
	// Export appends everything that the handler knows of a connection to dst. If ok is false, the connection stays.
	Export(c Conn, dst []byte) (data []byte, ok bool)
	// Stay is called for each open connection that stays.
	Stay(c Conn)
	// Adopt is called in place of Open, with the data of Export, which it must not keep. An error ends the adoption.
	Adopt(c Conn, data []byte) error
}
