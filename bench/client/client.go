package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"webim/bench/sock"
	"webim/bench/ws"
)

// A client's states. Only its worker moves it: absent → dialing → upgrading → open → absent. What ended it stays in client.err.
const (
	absent int32 = iota
	dialing
	upgrading
	open
)

// ErrClosed is what ends a client whose server closed in the proper way.
var ErrClosed = errors.New("closed by the server")

// Client is one WebSocket connection.
type Client struct {
	// Immutable.
	Index    int
	receiver *Receiver
	Mask     [4]byte

	// The worker's. Others read state only.
	fd        int
	gen       int32 // grows with every dial: an event of an earlier life is recognised by it
	state     atomic.Int32
	Room      string
	answer    []byte // of the handshake, while it is incomplete
	Decoder   ws.Decoder
	Sink      Sink
	session   *Session // in the Centrifuge dialect, behind the upgrade
	terms     Terms    // what the handshake agreed on
	Stuck     bool     // does not read
	Err       error    // why it is absent
	endedAt   int64
	due       int64 // when it was to come; 0: it is not one that comes and goes
	CloseCode int   // of the server's close frame; 0 for none

	// The worker's, on a scenario's behalf.
	Seen  []uint64 // a bit for each message of the run that has come
	Last  []uint32 // per sender: the highest number that has come, plus one
	Round uint32   // the last round whose message has come

	// The send side, of whoever holds mu.
	mu      sync.Mutex
	sending bool        // fd may be written to
	pending []byte      // what the socket did not take
	tls     *tlsSession // nil without TLS; its worker reads it without mu
}

// Sink takes what a client's worker has read.
type Sink interface {
	// data is called with frames' bytes, which are valid during the call, and the time right after the read. Runs on the worker of c. An
	// error ends the client.
	Data(c *Client, b []byte, at int64) error
}

// ignoreSink is the sink of clients that measure nothing: it answers pings and counts.
type ignoreSink struct{ messages atomic.Int64 }

func (s *ignoreSink) Data(c *Client, b []byte, _ int64) error {
	return c.Events(b, func(ws.Event) { s.messages.Add(1) })
}

// Events walks b and calls message for each data message; control frames it answers itself.
func (c *Client) Events(b []byte, message func(ws.Event)) error {
	for len(b) > 0 {
		ev, n, ok, err := c.Decoder.Next(b)
		b = b[n:]
		switch {
		case err != nil:
			return err
		case !ok:
		case ev.Op < ws.Close:
			message(ev)
		default:
			if err := c.Control(ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// Control answers a control frame.
func (c *Client) Control(ev ws.Event) error {
	switch ev.Op {
	case ws.Ping:
		c.receiver.pings++
		c.Send(ws.AppendFrame(nil, ws.Pong, ev.Payload, &c.Mask))
	case ws.Close:
		if len(ev.Payload) >= 2 {
			c.CloseCode = int(binary.BigEndian.Uint16(ev.Payload))
		}
		c.Send(ws.AppendFrame(nil, ws.Close, ev.Payload[:min(2, len(ev.Payload))], &c.Mask))
		return ErrClosed
	}
	return nil
}

// Send writes a frame, or as much as the socket takes: the worker sends the rest when there is room. It reports false when nothing of the frame was
// taken at once, that is when the server holds the client up. From any goroutine.
func (c *Client) Send(frame []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sending {
		return false
	}
	if c.tls != nil {
		frame = c.tls.encrypt(frame)
	}
	if len(c.pending) > 0 {
		c.pending = append(c.pending, frame...)
		return false
	}
	n := max(sock.Write(c.fd, frame), 0)
	if n < len(frame) {
		c.pending = append(c.pending, frame[n:]...)
	}
	return n > 0
}

// flush sends what is pending. The worker calls it at EPOLLOUT.
func (c *Client) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sending && c.tls != nil {
		c.pending = append(c.pending, c.tls.transport.take()...)
	}
	for c.sending && len(c.pending) > 0 {
		n := sock.Write(c.fd, c.pending)
		if n <= 0 {
			return
		}
		c.pending = c.pending[:copy(c.pending, c.pending[n:])]
	}
}

// Unsent returns how many bytes wait for room.
func (c *Client) Unsent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// setSending opens or closes the send side.
func (c *Client) setSending(on bool) {
	c.mu.Lock()
	c.sending, c.pending = on, nil
	if !on {
		c.tls = nil
	}
	c.mu.Unlock()
}

// Remember makes room for a bit for each of so many messages, and a number for each sender: all zero. It keeps what an earlier run allocated.
func (c *Client) Remember(messages, senders int) {
	words := (messages + 63) / 64
	if cap(c.Seen) < words {
		c.Seen = make([]uint64, words)
	}
	if cap(c.Last) < senders {
		c.Last = make([]uint32, senders)
	}
	c.Seen, c.Last = c.Seen[:words], c.Last[:senders]
	clear(c.Seen)
	clear(c.Last)
}

// readUpgrade takes bytes of the handshake's answer and returns what follows it; done is false while it is incomplete.
func (c *Client) readUpgrade(h *handshake, b []byte) (rest []byte, done bool, err error) {
	if len(c.answer) > 0 {
		b = append(c.answer, b...)
	}
	n, err := h.Check(b)
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

// IsOpen reports whether the client is in its room. Any goroutine.
func (c *Client) IsOpen() bool { return c.state.Load() == open }

// IsAbsent reports whether the client has no connection, not even one that is being made. Any goroutine.
func (c *Client) IsAbsent() bool { return c.state.Load() == absent }

// Do runs task on the client's worker and waits for its end.
func (c *Client) Do(task func()) { c.receiver.Do(task) }

// Drop ends the client by RST. Its worker calls it.
func (c *Client) Drop(why error) { c.receiver.drop(c, why) }

// CatchUp reads all that a client did not read while it was stuck. Its worker calls it.
func (c *Client) CatchUp() {
	c.Stuck = false
	c.receiver.read(c, true)
}

// Format is how a client's messages are written.
type Format struct {
	Mask       [4]byte
	Compressed bool   // permessage-deflate
	Channel    string // in JSON, in the Centrifuge dialect; empty in the plain one
}

// Format returns how the messages of an open client are written. From its worker, or when nothing happens to the client.
func (c *Client) Format() Format {
	f := Format{Mask: c.Mask, Compressed: c.terms.Compressed}
	if c.session != nil {
		f.Channel, f.Compressed = QuotedChannel(c.Room), false
	}
	return f
}
