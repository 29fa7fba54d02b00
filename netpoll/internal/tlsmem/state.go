package tlsmem

import (
	"errors"
	"net"
	"time"
)

// BeginHandshake says that a goroutine will call HandshakeContext of TLS: until EndHandshake, reads
// wait for input.
func (c *Conn) BeginHandshake() {
	c.mu.Lock()
	c.handshaking = true
	c.mu.Unlock()
}

// EndHandshake ends the handshake, with its error or nil.
func (c *Conn) EndHandshake(err error) {
	c.mu.Lock()
	c.handshaking, c.done, c.failed, c.silent = false, true, err, 0
	c.mu.Unlock()
}

// Status is the state of a handshake.
type Status struct {
	Handshaking bool  // it is under way
	Done        bool  // it has ended
	Failed      error // with this error
	Input       int   // bytes of input
	Waits       bool  // it waits for input
}

// Status returns the state of the handshake.
func (c *Conn) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{c.handshaking, c.done, c.failed, len(c.in), c.waits}
}

// Ready reports whether the handshake has succeeded.
func (c *Conn) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readyLocked()
}

func (c *Conn) readyLocked() bool { return c.done && c.failed == nil }

// WantsInput reports whether a handshake that had enough input wants more. If not, the Conn wakes
// its owner when it does.
func (c *Conn) WantsInput() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = len(c.in) > MaxHello && c.readableLocked() > 0
	return !c.full
}

// End tells crypto/tls that nothing more will come, and drops the output.
func (c *Conn) End() {
	c.mu.Lock()
	c.ended, c.over = true, true
	c.out = nil
	c.countOutputLocked()
	c.uncountLocked()
	c.mu.Unlock()
	c.more.Broadcast()
}

// GoDirect passes reads and writes on to a socket until EndDirect. First it writes the output, which
// must be done within the timeout.
func (c *Conn) GoDirect(socket net.Conn, timeout time.Duration) error {
	c.mu.Lock()
	out := c.out
	c.direct, c.out = socket, nil
	c.countOutputLocked()
	c.uncountLocked()
	c.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	socket.SetWriteDeadline(time.Now().Add(timeout))
	_, err := socket.Write(out)
	return errors.Join(err, socket.SetWriteDeadline(time.Time{}))
}

// EndDirect ends the time in which net/http has the connection.
func (c *Conn) EndDirect() {
	c.mu.Lock()
	c.direct, c.unaligned = nil, true
	c.mu.Unlock()
}
