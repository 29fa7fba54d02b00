package netpoll

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
)

// output is the queue of a connection, oldest first. It exists only while it is not empty, in
// Server.outputs, under the record's lock.
type output struct {
	refs  []ref
	first int     // refs[:first] are written: a long queue is not moved at each write
	size  int     // bytes of live refs, and of the pong owed
	extra int     // size of the replies that do not count in MaxQueue, see exempt
	cut   bool    // part of the first ref is written: nothing may come before its rest
	pong  []byte  // owed, because it came while the socket was full; nil: none
	paid  *buffer // a pong among refs of which nothing is written yet
}

// live returns the references that are still to be written.
func (o *output) live() []ref { return o.refs[o.first:] }

// cost returns the part of MaxQueue that the queue uses. A frame that is queued by itself costs
// memory besides its bytes. A client that makes the server send tiny frames could multiply its
// bytes by fifty.
func (o *output) cost() int { return o.size + bufferCost*len(o.live()) }

// outputPool saves the allocations of connections that answer at the end of
// their turn, which queue for a moment only.
var outputPool = sync.Pool{New: func() any { return new(output) }}

// ref is a stretch of a shared buffer that is still to be written.
type ref struct {
	buf *buffer
	b   []byte
}

// push queues b, a part of buf made of whole frames, and writes the bytes that the socket takes.
// Push, PushFrame, Reply, Offer and Conn.Ping end here; heartbeats, pongs and Close frames do not.
// When nothing is queued and nobody writes, b goes to the socket without being queued first.
//
// A reply is a message that the client has asked for; see Conn.Reply.
func (s *Server) push(r *record, gen uint32, buf *buffer, b []byte, messages int, reply bool) error {
	r.mu.Lock()
	if r.gen.Load() != gen || r.w&(wClosing|wShut) != 0 {
		r.mu.Unlock()
		return ErrClosed
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
		s.frontLocked(r, ref{buf, b[n:]}, n > 0)
		s.outputs.At(r.output).exempt(s.cfg.HighWater, len(b)-n, reply)
		s.failedLocked(r, errno)
	}
	s.unlockWriter(r)
	return nil
}

// enqueueLocked appends a reference, within the connection's bound. One
// message may exceed it alone: then only its own size is owed. A reply always fits,
// so the queue holds MaxQueue and the replies in it at most: see Conn.Reply.
func (s *Server) enqueueLocked(r *record, buf *buffer, b []byte, messages int, reply bool) error {
	o := s.outputLocked(r)
	if !reply && o.size > 0 && o.cost()+len(b) > s.cfg.MaxQueue+o.extra {
		return ErrSlow
	}
	r.messagesOut += uint64(messages)
	s.appendLocked(o, buf, b)
	o.exempt(s.cfg.HighWater, len(b), reply)
	s.waterLocked(r, o)
	return nil
}

// exempt notes that n queued bytes of a reply do not count in MaxQueue, if the
// queue is past the high watermark with them. The exemption ends at the low one,
// so that messages behind large replies have all of MaxQueue meanwhile.
func (o *output) exempt(high, n int, reply bool) {
	if reply && o.cost() > high {
		o.extra += n + bufferCost
	}
}

func (s *Server) outputLocked(r *record) *output {
	if o := s.outputs.At(r.output); o != nil {
		return o
	}
	o := outputPool.Get().(*output)
	r.output = s.outputs.Put(o)
	return o
}

// freeOutputLocked lets go of an output that is empty or given up.
func (s *Server) freeOutputLocked(r *record, o *output) {
	s.outputs.Drop(r.output)
	r.output = 0
	refs := o.refs[:0]
	if cap(refs) > maxIovecs {
		refs = nil
	}
	*o = output{refs: refs}
	outputPool.Put(o)
}

// appendLocked adds a reference at the end; one that goes on where the last
// one ends, as a log's cuts do, only makes that one longer.
func (s *Server) appendLocked(o *output, buf *buffer, b []byte) {
	if len(b) == 0 {
		return
	}
	o.size += len(b)
	if live := o.live(); len(live) > 0 {
		if last := &live[len(live)-1]; last.buf == buf && follows(last.b, b) {
			last.b = unsafe.Slice(&last.b[0], len(last.b)+len(b))
			return
		}
	}
	s.retain(buf)
	o.refs = append(o.refs, ref{buf, b})
}

// follows reports whether b begins in memory where a ends; both are parts of
// one buffer, neither is empty.
func follows(a, b []byte) bool {
	return uintptr(unsafe.Pointer(&a[0]))+uintptr(len(a)) == uintptr(unsafe.Pointer(&b[0]))
}

// frontLocked puts the rest of a write before all else.
func (s *Server) frontLocked(r *record, rest ref, cut bool) {
	o := s.outputLocked(r)
	o.size += len(rest.b)
	o.cut = cut
	s.retain(rest.buf)
	o.refs = slices.Insert(o.refs, o.first, rest)
	s.waterLocked(r, o)
}

// consumeLocked takes n written bytes off the front.
func (s *Server) consumeLocked(o *output, n int) {
	o.size -= n
	i := o.first
	for n > 0 {
		q := &o.refs[i]
		if q.buf == o.paid {
			o.paid = nil
		}
		if n < len(q.b) {
			q.b = q.b[n:]
			o.cut = true
			break
		}
		n -= len(q.b)
		s.release(q.buf)
		*q = ref{}
		o.cut = false
		i++
	}
	if o.first = i; 2*o.first >= len(o.refs) {
		rest := copy(o.refs, o.live())
		clear(o.refs[rest:])
		o.refs, o.first = o.refs[:rest], 0
	}
}

// dropOutputLocked forgets all that is queued.
func (s *Server) dropOutputLocked(r *record) {
	o := s.outputs.At(r.output)
	if o == nil {
		return
	}
	for _, q := range o.live() {
		if r.w&wBit != 0 {
			q.buf.keep.Store(true) // a write may just be reading it
		}
		s.release(q.buf)
	}
	clear(o.refs)
	s.freeOutputLocked(r, o)
	r.flags.And(^fBlocked)
}

// trimLocked drops the queue, except a frame that is partly written, and the references that a
// write may be taking at this time.
func (s *Server) trimLocked(r *record) {
	o := s.outputs.At(r.output)
	if o == nil {
		return
	}
	keep := 0
	if o.cut {
		keep = 1
	}
	if r.w&wBit != 0 {
		keep = maxIovecs
	}
	live := o.live()
	for i := min(keep, len(live)); i < len(live); i++ {
		o.size -= len(live[i].b)
		s.release(live[i].buf)
		live[i] = ref{}
	}
	o.refs = o.refs[:o.first+min(keep, len(live))]
	o.size -= len(o.pong)
	o.pong, o.paid = nil, nil
}

// pong answers a ping, on the turn. While the output is blocked one pong is
// owed, and the latest ping is the one that is answered (RFC 6455, section
// 5.5.3): pings faster than pongs drain make nothing grow.
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
	o := s.outputLocked(r)
	if free && r.flags.Load()&fBlocked == 0 {
		b := newBuffer(append([]byte(nil), w.control...))
		s.appendLocked(o, b, b.b) // goes out at the turn's end
		return
	}
	o.size += len(w.control) - len(o.pong)
	o.pong = append(o.pong[:0], w.control...)
}

// payPongLocked puts the pong owed behind the frame that is cut, or first; in
// the place of the one before it, if nothing of that is written.
func (s *Server) payPongLocked(o *output) {
	if len(o.pong) == 0 {
		return
	}
	b := newBuffer(o.pong)
	o.pong = nil
	s.retain(b)
	at := o.first
	if o.cut {
		at++
	}
	if o.paid != nil && at < len(o.refs) && o.refs[at].buf == o.paid {
		o.size -= len(o.refs[at].b)
		s.release(o.paid)
	} else {
		o.refs = slices.Insert(o.refs, at, ref{})
	}
	o.refs[at], o.paid = ref{b, b.b}, b
}

// waterLocked notes that a watermark was crossed; the handler is told on the
// turn, where all its calls come from.
func (s *Server) waterLocked(r *record, o *output) {
	high := r.w&wHigh != 0
	if !high && o.cost() > s.cfg.HighWater {
		r.w |= wHigh
	} else if high && o.cost() < s.cfg.LowWater {
		r.w &^= wHigh
		o.extra = 0
	} else {
		return
	}
	r.flags.Or(fWatermark)
	s.wake(r)
}
