package netpoll

import (
	"unicode/utf8"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/encode"
	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/output"
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

// Variant names one of the encodings that a frame goes out in. A broadcast is
// made once per variant in use, never once per client.
type Variant uint8

const (
	// Plain is not compressed.
	Plain Variant = iota
	// Deflate is compressed with a window of 32 KiB.
	Deflate
	// DeflateSmall is compressed with a window of 256 bytes, for the rare
	// client that asked for server_max_window_bits below 15.
	DeflateSmall
	// NumVariants is their number.
	NumVariants
)

// Frame is a text or binary message, encoded once for any number of
// receivers. It is safe for concurrent use and needs no release.
type Frame struct{ frame encode.Frame }

// NewFrame copies data into a frame. op is ws.OpText, then data must be UTF-8,
// or ws.OpBinary; else ErrBadFrame.
func NewFrame(op ws.OpCode, data []byte) (*Frame, error) {
	if op != ws.OpBinary && (op != ws.OpText || !utf8.Valid(data)) {
		return nil, ErrBadFrame
	}
	f := &Frame{}
	f.frame.Init(op, data)
	return f, nil
}

// Log is a stream of encoded frames that many connections get: a room's side of a broadcast. A
// sweep takes all pending frames as one contiguous Cut and offers it to each member with one write.
// A member with a full socket keeps a reference, not a copy.
//
// A position is a count of bytes since the log's beginning, and always lies between two frames. A
// Log is not safe for concurrent use: its owner, a room, guards it. Cuts are safe, and outlive the
// log.
//
// The memory of a log is reused by any log: see Forget.
type Log struct {
	s   *Server
	log *encode.Log
}

// MaxCut is the most bytes of one Cut, 64 KiB, unless a single frame is larger. One sweep writes a
// Cut to each member.
const MaxCut = encode.MaxCut

// NewLog makes an empty log for the connections of one variant.
func (s *Server) NewLog(v Variant) *Log {
	return &Log{s, encode.NewLog(encode.Variant(v))}
}

// Append encodes a message, once for all receivers. op is ws.OpText (data must be UTF-8; it is not
// checked again) or ws.OpBinary. data may be reused.
func (l *Log) Append(op ws.OpCode, data []byte) { l.log.Append(op, data, l.s.cfg().DeflateMin) }

// End is the position behind the last frame.
func (l *Log) End() uint64 { return l.log.End() }

// Next returns the frames from a position on, as many as lie together in about
// MaxCut bytes. The cut is empty if nothing is pending.
func (l *Log) Next(from uint64) Cut { return Cut{l.log.Next(from)} }

// Forget frees the memory of the frames that lie before a position, which all cursors have passed. It
// frees all of it once nothing is pending, so that a quiet log holds only the memory that slow
// connections refer to. The memory is reused, so a cut that ends before the position must be
// neither offered nor read any more.
func (l *Log) Forget(before uint64) { l.log.Forget(before) }

// A Cut is a stretch of whole frames of a log, contiguous in memory. It stays
// good until its log is told to forget it (Log.Forget), and where a connection has
// queued it until that has written it.
type Cut struct{ cut encode.Cut }

// Len is how many bytes the cut has; 0: nothing was pending.
func (c Cut) Len() int { return len(c.cut.Bytes) }

// Messages is how many frames the cut has.
func (c Cut) Messages() int { return c.cut.Messages }

// End is the position behind the cut.
func (c Cut) End() uint64 { return c.cut.End() }

// After returns the part of the cut that lies behind a position, which must be
// between two frames: all of it, some, or nothing.
func (c Cut) After(pos uint64) Cut { return Cut{c.cut.After(pos)} }

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
