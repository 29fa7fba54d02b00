package netpoll

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Info is the state of a connection, as Conn.Info reads it. Times have the resolution of the wheel,
// 100 ms. On a quiet server LastReceive and LastSend may be a second early.
type Info struct {
	ID                      ID
	FD                      int
	Remote                  netip.AddrPort // zero for a Unix socket; see Request.Remote
	Listener                int            // in the order of Listen
	TLS                     bool
	Deflate                 bool
	Opened                  time.Time
	LastReceive, LastSend   time.Time // when bytes last came, and when the socket last took bytes, or first refused some since
	BytesIn, BytesOut       uint64    // on the socket
	MessagesIn, MessagesOut uint64    // text and binary
	Queued                  int       // bytes that the socket has refused
}

// FD returns the number of the file descriptor, for logs. Another connection may have it later, so
// use ID to tell connections apart. It is -1 once the connection is gone. Inside Handler.Close it
// is still valid.
func (c Conn) FD() int {
	if !c.lock() {
		return -1
	}
	defer c.r.mu.Unlock()
	return int(c.r.fd)
}

// Info returns the state of the connection. ok is false once the connection is gone. Inside
// Handler.Close it is still true. Swoole's getClientInfo.
func (c Conn) Info() (info Info, ok bool) {
	if !c.lock() {
		return Info{}, false
	}
	defer c.r.mu.Unlock()
	r, f := c.r, c.r.flags.Load()
	info = Info{
		ID: c.ID(), FD: int(r.fd), Remote: c.s.addrs.AddrPort(r.ip, r.port), Listener: int(r.listener),
		TLS: f&fTLS != 0, Deflate: f&fDeflate != 0,
		Opened: c.s.clock.Time(r.opened), LastReceive: c.s.clock.Time(r.seen.Load()), LastSend: c.s.clock.Time(r.sent.Load()),
		BytesIn: atomic.LoadUint64(&r.bytesIn), MessagesIn: atomic.LoadUint64(&r.messagesIn),
		BytesOut: r.bytesOut, MessagesOut: r.messagesOut,
	}
	info.Queued = c.s.lagLocked(r)
	return info, true
}

// Remote returns the client's address, as Info does, at a lower price. ok is false when the
// connection is gone.
func (c Conn) Remote() (addr netip.AddrPort, ok bool) {
	if !c.lock() {
		return netip.AddrPort{}, false
	}
	defer c.r.mu.Unlock()
	return c.s.addrs.AddrPort(c.r.ip, c.r.port), true
}

// Queued returns the number of bytes that the connection's socket has refused, as Info does, at a
// lower price.
func (c Conn) Queued() int {
	if !c.lock() {
		return 0
	}
	defer c.r.mu.Unlock()
	return c.s.lagLocked(c.r)
}

// Crowded reports whether the queue is above HighWater, with the output that waits for the end of
// the turn. If so, Drainer is called when the queue is below LowWater, even if Fuller was not
// called for this.
func (c Conn) Crowded() bool {
	if !c.lock() {
		return false
	}
	defer c.r.mu.Unlock()
	high := c.r.w&wHigh != 0
	if high {
		c.r.flags.Or(fToldFull)
	}
	return high
}

// Lost reports whether the client can get nothing any more: a write has failed, or the connection
// is closing or gone. The handler may still get messages that the client has sent before, but a
// reply to them is of no use.
func (c Conn) Lost() bool {
	if !c.lock() {
		return true
	}
	defer c.r.mu.Unlock()
	return c.r.w&(wClosing|wShut) != 0
}

// Variant returns the encoding of a Frame that this connection takes. It is fixed once the
// connection is open, and Plain when the connection is gone.
func (c Conn) Variant() Variant {
	if c.r == nil || c.r.gen.Load() != c.gen {
		return Plain
	}
	switch f := c.r.flags.Load(); {
	case f&fSmallWindow != 0:
		return DeflateSmall
	case f&fDeflate != 0:
		return Deflate
	}
	return Plain
}

// SetTag stores a number with the connection, which costs no memory. A room layer keeps the number
// of its member there. It reports whether the connection still exists. That ends when Handler.Close
// is called, so Handler.Close sees every tag that was ever stored.
func (c Conn) SetTag(tag uint64) bool {
	if !c.lock() {
		return false
	}
	defer c.r.mu.Unlock()
	if c.r.w&wDead != 0 {
		return false
	}
	c.r.tag = tag
	return true
}

// Tag returns the number that SetTag stored, or 0.
func (c Conn) Tag() uint64 {
	if !c.lock() {
		return 0
	}
	defer c.r.mu.Unlock()
	return c.r.tag
}

// SetData stores a value with the connection, nil to remove it. It takes some 80 bytes while it is
// there. It reports whether the connection still exists.
func (c Conn) SetData(v any) bool {
	if !c.lock() {
		return false
	}
	defer c.r.mu.Unlock()
	if v != nil || c.r.extra != 0 {
		c.s.extraLocked(c.r).data = v
	}
	return true
}

// Data returns the value that SetData stored, also inside Handler.Close.
func (c Conn) Data() any {
	if !c.lock() {
		return nil
	}
	defer c.r.mu.Unlock()
	if x := c.s.extras.At(c.r.extra); x != nil {
		return x.data
	}
	return nil
}

// Pause stops the reading of the connection: first the kernel's buffer fills, then the client's.
// The heartbeat leaves the connection alone, because it cannot see an answer. The client's end is
// noticed after Resume, or when a write fails.
func (c Conn) Pause() { c.setFlag(fPaused, true) }

// Resume ends Pause.
func (c Conn) Resume() { c.setFlag(fPaused, false) }

// Protect exempts the connection from the heartbeat, or ends that. Swoole's protect.
func (c Conn) Protect(on bool) { c.setFlag(fProtected, on) }

func (c Conn) setFlag(bit uint32, on bool) {
	if !c.lock() {
		return
	}
	if on {
		c.r.flags.Or(bit)
	} else {
		c.r.flags.And(^bit)
	}
	c.r.mu.Unlock()
	if !on {
		c.s.wake(c.r)
	}
}

// Later, called in Handler.Open or Handler.Message, stops the decoding of this connection's
// messages until done is called. Any goroutine may call done, once or more often. No worker waits
// meanwhile. If a callback calls Later twice, both functions must be called. As with Pause, the
// client's end is not noticed before.
func (c Conn) Later() (done func()) {
	if !c.lock() {
		return func() {}
	}
	c.holdLocked()
	c.r.mu.Unlock()
	return sync.OnceFunc(c.release)
}

// Again, called in Handler.Message, says that the handler cannot take the message yet. The server
// keeps the message as it is when Message returns, and calls Message with it once more after done
// was called, before everything that the client has sent behind it. Any goroutine may call done,
// once or more often. Meanwhile the connection is not read, as with Later, and no worker waits.
//
// A message that is kept counts in Config.MaxUnfinished, under which its connection may be closed
// as OutOfMemory, but not in MessageTimeout. It is dropped if the connection closes first: then
// done does nothing. Called anywhere else, Again is Later.
func (c Conn) Again() (done func()) {
	if !c.lock() {
		return func() {}
	}
	c.holdLocked()
	c.r.flags.Or(fAgain)
	c.r.mu.Unlock()
	return sync.OnceFunc(c.release)
}

func (c Conn) holdLocked() {
	c.s.extraLocked(c.r).held++
	c.r.flags.Or(fHeld)
}

// release takes back one Later or Again.
func (c Conn) release() {
	if !c.lock() {
		return
	}
	x := c.s.extraLocked(c.r)
	x.held--
	if x.held == 0 {
		c.r.flags.And(^fHeld)
	}
	c.r.mu.Unlock()
	c.s.wake(c.r)
}

// stopped reports whether reading must wait: for Resume, for done, or for the end of
// a rest. Whoever clears the flag wakes the turn, and fReadable still stands.
func (r *record) stopped() bool {
	f := r.flags.Load()
	return f&(fPaused|fHeld|fResting) != 0 && f&fClosing == 0
}
