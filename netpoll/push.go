package netpoll

import (
	"bytes"
	"unicode/utf8"

	"webim/netpoll/internal/encode"
	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"

	"github.com/gobwas/ws"
)

// Push sends a message. op is ws.OpText (data must be UTF-8) or ws.OpBinary. data may be reused
// when Push returns. Push queues the bytes that the socket does not take. If the queue would grow
// above Config.MaxQueue, Push closes the connection and returns ErrSlow. Within the connection's
// own callbacks the message is sent at the end of the turn. Swoole's push.
func (c Conn) Push(op ws.OpCode, data []byte) error {
	return c.pushOne(op, data, false)
}

// PushFrame sends a frame that other connections may share. It is encoded once, and compressed once
// for the connections that negotiated compression.
func (c Conn) PushFrame(f *Frame) error {
	if !c.Exists() {
		return c.notOpen()
	}
	b := f.frame.Variant(encode.Variant(c.Variant()), c.s.cfg().DeflateMin)
	return c.s.push(c.r, c.gen, b, b.B, 1, false)
}

// Reply is Push for a message that the client has asked for. The queue takes a reply of any size.
// While the queue is above HighWater, and until it is below LowWater, the replies that it takes do
// not count in Config.MaxQueue. So a client that reads is never closed as slow for the replies to
// its own requests. The handler bounds their size: while the connection is Crowded it begins
// nothing that has a large reply.
func (c Conn) Reply(op ws.OpCode, data []byte) error {
	return c.pushOne(op, data, true)
}

// pushOne sends a message to this connection only, in memory that is reused.
func (c Conn) pushOne(op ws.OpCode, data []byte, reply bool) error {
	if op != ws.OpBinary && (op != ws.OpText || !utf8.Valid(data)) {
		return ErrBadFrame
	}
	if !c.Exists() {
		return c.notOpen()
	}
	seg := encode.One(op, data, encode.Variant(c.Variant()), c.s.cfg().DeflateMin)
	err := c.s.push(c.r, c.gen, &seg.Buffer, seg.B, 1, reply)
	seg.Leave()
	return err
}

// Ping sends a ping frame with a payload of at most 125 bytes. The heartbeat does not need it.
func (c Conn) Ping(payload []byte) error {
	if len(payload) > ws.MaxControlFramePayloadSize {
		return ErrBadFrame
	}
	if !c.Exists() {
		return c.notOpen()
	}
	b := encode.Control(ws.OpPing, payload)
	return c.s.push(c.r, c.gen, b, b.B, 0, false)
}

func (c Conn) notOpen() error {
	if c.s != nil && c.r.gen.Load() == c.gen && c.r.flags.Load()&(fOpen|fClosing) == 0 {
		return ErrNotOpen
	}
	return ErrClosed
}

// push queues b, a part of buf made of whole frames, and writes the bytes that the socket takes.
// Push, PushFrame, Reply, Offer and Conn.Ping end here; heartbeats, pongs and Close frames do not.
// When nothing is queued and nobody writes, b goes to the socket without being queued first.
//
// A reply is a message that the client has asked for; see Conn.Reply.
func (s *Server) push(r *record, gen uint32, buf *output.Buffer, b []byte, messages int, reply bool) error {
	r.mu.Lock()
	if r.gen.Load() != gen || r.w&(wClosing|wShut) != 0 {
		r.mu.Unlock()
		return ErrClosed
	}
	if r.flags.Load()&fTraced != 0 {
		s.trace(r, flight.Event{Kind: uint8(EventSent), Bytes: uint32(len(b)), Count: uint8(min(255, messages))})
	}
	if r.w&(wBit|wCork) != 0 || r.output != 0 || r.flags.Load()&fTLS != 0 {
		err := s.enqueueLocked(r, buf, b, messages, reply)
		if err != nil && r.w&wBit == 0 && r.flags.Load()&fBlocked == 0 {
			// Only the cork held it back: the socket has refused nothing yet.
			s.flushLocked(r)
			if r.w&(wClosing|wShut) != 0 { // begun while the lock was released
				r.mu.Unlock()
				return ErrClosed
			}
			err = s.enqueueLocked(r, buf, b, messages, reply)
		}
		if err == nil && r.w&(wBit|wCork) == 0 && r.flags.Load()&fBlocked == 0 {
			s.flushLocked(r)
		}
		r.mu.Unlock()
		if err == ErrSlow {
			s.closeAs(r, gen, closing{cause: Slow})
		}
		return err
	}
	r.w |= wBit
	r.messagesOut += uint64(messages)
	fd := int(r.fd)
	r.mu.Unlock()
	n, errno := s.write(fd, b)
	r.mu.Lock()
	if n > 0 {
		r.bytesOut += uint64(n)
		r.sent.Store(s.clock.Last.Load())
	}
	if n < len(b) {
		s.frontLocked(r, output.Ref{Buf: buf, B: b[n:]}, n > 0)
		if reply {
			s.outputs.At(r.output).Exempt(s.cfg().HighWater, len(b)-n)
		}
		s.failedLocked(r, errno)
	}
	s.unlockWriter(r)
	return nil
}

// enqueueLocked appends a reference, within the connection's limit. One message may exceed the limit
// alone, if nothing else is queued. A reply always fits, so the queue holds MaxQueue and the replies
// in it at most: see Conn.Reply.
func (s *Server) enqueueLocked(r *record, buf *output.Buffer, b []byte, messages int, reply bool) error {
	q, cfg := s.outputLocked(r), s.cfg()
	if !reply && !q.Fits(len(b), cfg.MaxQueue) {
		return ErrSlow
	}
	r.messagesOut += uint64(messages)
	q.Append(buf, b)
	if reply {
		q.Exempt(cfg.HighWater, len(b))
	}
	s.noteWatermarkLocked(r, q)
	if r.flags.Load()&fBlocked != 0 {
		s.noteHighLocked(r)
	}
	return nil
}

// Offer gives the cut to a connection: with one write if its socket takes all
// of it, else by reference for the rest. ErrClosed: it is gone. ErrNotOpen
// and ErrSlow as for Push. Any goroutine may call it.
func (s *Server) Offer(id ID, c Cut) error {
	r, gen := s.record(id)
	if r == nil {
		return ErrClosed
	}
	if to := (Conn{s, r, gen}); !to.Exists() {
		return to.notOpen()
	}
	return s.push(r, gen, c.cut.Buf, c.cut.Bytes, c.cut.Messages, false)
}

// pong answers a ping, on the turn. While the output is blocked, one pong is pending. It answers the
// latest ping (RFC 6455, section 5.5.3), so a client that sends pings and does not read makes nothing
// grow.
func (s *Server) pong(w *worker, r *record, payload []byte) {
	r.mu.Lock()
	if r.w&(wClosing|wShut) != 0 {
		r.mu.Unlock()
		return
	}
	w.control = frame.Append(w.control[:0], ws.OpPong, payload)
	free := r.w&wBit == 0
	if free && r.output == 0 && r.flags.Load()&fTLS == 0 {
		r.w |= wBit
		r.mu.Unlock()
		s.writeFirst(r, w.control)
		return
	}
	defer r.mu.Unlock()
	if free && r.flags.Load()&fBlocked == 0 {
		s.appendLocked(r, output.NewBuffer(bytes.Clone(w.control))) // leaves at the end of the turn
		return
	}
	s.outputLocked(r).SetPong(w.control)
}
