package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A client's states. Only its worker moves it: absent → dialing → upgrading → open → absent. What ended it stays in client.err.
const (
	absent int32 = iota
	dialing
	upgrading
	open
)

// errClosed is what ends a client whose server closed in the proper way.
var errClosed = errors.New("closed by the server")

// client is one WebSocket connection.
type client struct {
	// Immutable.
	index int
	w     *worker
	mask  [4]byte

	// The worker's. Others read state only.
	fd      int
	gen     int32 // grows with every dial: an event of an earlier life is recognised by it
	state   atomic.Int32
	path    string
	answer  []byte // of the handshake, while it is incomplete
	dec     Decoder
	sink    sink
	session *session // in the Centrifuge dialect, behind the upgrade
	terms   terms    // what the handshake agreed on
	stuck   bool     // does not read
	err     error    // why it is absent
	endedAt int64
	due     int64 // when it was to come; 0: it is not one that comes and goes
	code    int   // of the server's close frame; 0 for none

	// The worker's, on a scenario's behalf.
	seen  []uint64 // a bit for each message of the run that has come
	last  []uint32 // per sender: the highest number that has come, plus one
	round uint32   // the last round whose message has come

	// The send side, of whoever holds mu.
	mu      sync.Mutex
	sending bool    // fd may be written to
	pending []byte  // what the socket did not take
	tls     *sealed // nil without TLS; its worker reads it without mu
}

// sink takes what a client's worker has read.
type sink interface {
	// data is called with frames' bytes, which are valid during the call, and the time right after the read. Runs on the worker of c. An
	// error ends the client.
	data(c *client, b []byte, at int64) error
}

// ignore is the sink of clients that measure nothing: it answers pings and counts.
type ignore struct{ messages atomic.Int64 }

func (s *ignore) data(c *client, b []byte, _ int64) error {
	return c.events(b, func(Event) { s.messages.Add(1) })
}

// events walks b and calls message for each data message; control frames it answers itself.
func (c *client) events(b []byte, message func(Event)) error {
	for len(b) > 0 {
		ev, n, ok, err := c.dec.Next(b)
		b = b[n:]
		switch {
		case err != nil:
			return err
		case !ok:
		case ev.Op < opClose:
			message(ev)
		default:
			if err := c.control(ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// control answers a control frame.
func (c *client) control(ev Event) error {
	switch ev.Op {
	case opPing:
		c.w.pings++
		c.send(appendFrame(nil, opPong, ev.Payload, &c.mask))
	case opClose:
		if len(ev.Payload) >= 2 {
			c.code = int(binary.BigEndian.Uint16(ev.Payload))
		}
		c.send(appendFrame(nil, opClose, ev.Payload[:min(2, len(ev.Payload))], &c.mask))
		return errClosed
	}
	return nil
}

// send writes a frame, or as much as the socket takes: the worker sends the rest when there is room. It reports false when nothing of the frame was
// taken at once, that is when the server holds the client up. From any goroutine.
func (c *client) send(frame []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sending {
		return false
	}
	if c.tls != nil {
		frame = c.tls.seal(frame)
	}
	if len(c.pending) > 0 {
		c.pending = append(c.pending, frame...)
		return false
	}
	n := max(rawWrite(c.fd, frame), 0)
	if n < len(frame) {
		c.pending = append(c.pending, frame[n:]...)
	}
	return n > 0
}

// flush sends what is pending. The worker calls it at EPOLLOUT.
func (c *client) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sending && c.tls != nil {
		c.pending = append(c.pending, c.tls.wire.take()...)
	}
	for c.sending && len(c.pending) > 0 {
		n := rawWrite(c.fd, c.pending)
		if n <= 0 {
			return
		}
		c.pending = c.pending[:copy(c.pending, c.pending[n:])]
	}
}

// unsent returns how many bytes wait for room.
func (c *client) unsent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// setSending opens or closes the send side.
func (c *client) setSending(on bool) {
	c.mu.Lock()
	c.sending, c.pending = on, nil
	if !on {
		c.tls = nil
	}
	c.mu.Unlock()
}

// remember makes room for a bit for each of so many messages, and a number for each sender: all zero. It keeps what an earlier run allocated.
func (c *client) remember(messages, senders int) {
	words := (messages + 63) / 64
	if cap(c.seen) < words {
		c.seen = make([]uint64, words)
	}
	if cap(c.last) < senders {
		c.last = make([]uint32, senders)
	}
	c.seen, c.last = c.seen[:words], c.last[:senders]
	clear(c.seen)
	clear(c.last)
}

// upgrade takes bytes of the handshake's answer and returns what follows it; done is false while it is incomplete.
func (c *client) upgrade(h *handshake, b []byte) (rest []byte, done bool, err error) {
	if len(c.answer) > 0 {
		b = append(c.answer, b...)
	}
	n, err := h.check(b)
	if err != nil {
		return nil, false, err
	}
	if n == 0 {
		c.answer = bytes.Clone(b)
		return nil, false, nil
	}
	c.answer = nil
	if c.terms, err = h.agreed(b[:n]); err != nil {
		return nil, false, err
	}
	return b[n:], true, nil
}

// closeReset closes with RST instead of FIN: the socket leaves no TIME_WAIT behind, so its port is free for the next run.
func closeReset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}
