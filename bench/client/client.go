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

// The states of a client. Only its receiver changes them: absent → dialing → upgrading → open → absent. Client.Err
// keeps the reason of the end.
const (
	absent int32 = iota
	dialing
	upgrading
	open
)

// ErrClosed ends a client if the server closes the connection properly.
var ErrClosed = errors.New("closed by the server")

// Client is one WebSocket connection. A receiver owns it; other goroutines use it as the fields and methods say.
type Client struct {
	// These fields never change.
	Index    int
	receiver *Receiver
	Mask     [4]byte

	// The receiver owns these fields. Other goroutines read only state.
	fd        int
	gen       int32 // grows with every dial, so that an event of an earlier connection is recognised
	state     atomic.Int32
	Room      string
	answer    []byte // the answer to the upgrade request, while it is incomplete
	Decoder   ws.Decoder
	Sink      Sink
	session   *Session  // in the Centrifuge dialect, after the upgrade
	terms     Terms     // the terms of the handshake
	Recovery  *Recovery // in the Centrifuge dialect; nil: the client does not recover
	Stuck     bool      // the client does not read
	Err       error     // why the client is absent
	due       int64     // when the client was due; 0 means that it is not a transient client
	CloseCode int       // of the server's close frame; 0 without one

	// The receiver owns these fields, too. They are for a scenario's sink.
	Seen  []uint64 // one bit per message of the run: received
	Last  []uint32 // per sender: the highest received number, plus one
	Round uint32   // the last round whose message was received

	// mu guards the send side.
	mu      sync.Mutex
	sending bool        // fd may be written to
	pending []byte      // bytes that the socket has not accepted yet
	tls     *tlsSession // nil without TLS; the receiver reads it without mu
}

// Sink consumes the bytes that a client receives.
type Sink interface {
	// Data is called on the receiver of c with received frames, whole or not, and the time right after the read. The bytes are
	// valid during the call. An error ends the client.
	Data(c *Client, b []byte, at int64) error
}

// ignoreSink is the sink of clients that measure nothing: it answers pings.
type ignoreSink struct{}

func (ignoreSink) Data(c *Client, b []byte, _ int64) error { return c.Events(b, func(ws.Event) {}) }

// Events decodes b, calls message for each data message, and answers control frames.
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

// Control answers a control frame. After a close frame it returns ErrClosed.
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

// Send writes a frame, or the part of it that the socket accepts; the receiver sends the rest when the socket has room. It
// reports false if the socket accepted no byte at once, which means that the server does not read fast enough. It may be
// called from any goroutine.
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

// flush sends pending bytes. The receiver calls it at EPOLLOUT.
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

// Unsent returns the number of pending bytes.
func (c *Client) Unsent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// setSending opens or closes the send side, and discards pending bytes.
func (c *Client) setSending(on bool) {
	c.mu.Lock()
	c.sending, c.pending = on, nil
	if !on {
		c.tls = nil
	}
	c.mu.Unlock()
}

// Remember clears Seen and Last and gives them room for so many messages and senders. It reuses the memory of an earlier
// run.
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

// readUpgrade reads bytes of the answer to the upgrade request, and returns the bytes that follow the answer. While the
// answer is incomplete, done is false.
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

// IsOpen reports whether the client is in its room. It may be called from any goroutine.
func (c *Client) IsOpen() bool { return c.state.Load() == open }

// IsAbsent reports whether the client has no connection and is not dialing either. It may be called from any goroutine.
func (c *Client) IsAbsent() bool { return c.state.Load() == absent }

// Do runs task on the client's receiver and waits until it has returned.
func (c *Client) Do(task func()) { c.receiver.Do(task) }

// Drop ends the client by RST. Call it on the client's receiver.
func (c *Client) Drop(why error) { c.receiver.drop(c, why) }

// CatchUp ends Stuck and reads all bytes that have arrived meanwhile. Call it on the client's receiver.
func (c *Client) CatchUp() {
	c.Stuck = false
	c.receiver.read(c, true)
}

// Format is the form of a client's messages.
type Format struct {
	Mask       [4]byte
	Compressed bool   // with permessage-deflate
	Channel    string // the channel in JSON, in the Centrifuge dialect; empty in the plain dialect
}

// Format returns the form of the messages of an open client. Call it on the client's receiver, or while no receiver
// changes the client.
func (c *Client) Format() Format {
	f := Format{Mask: c.Mask, Compressed: c.terms.Compressed}
	if c.session != nil {
		f.Channel, f.Compressed = QuotedChannel(c.Room), false
	}
	return f
}
