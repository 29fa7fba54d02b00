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
	refs        []ref
	first       int     // refs[:first] are written: a long queue is not moved at each write
	size        int     // bytes of live refs, and of the pending pong
	extra       int     // size of the replies that do not count in MaxQueue, see exempt
	cut         bool    // part of the first ref is written: nothing may come before its rest
	pendingPong []byte  // not among refs yet, because it came while the socket was full; nil: none
	queuedPong  *buffer // a pong among refs of which nothing is written yet
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
	s.noteWatermarkLocked(r, o)
}

// consumeLocked takes n written bytes off the front.
func (s *Server) consumeLocked(o *output, n int) {
	o.size -= n
	i := o.first
	for n > 0 {
		q := &o.refs[i]
		if q.buf == o.queuedPong {
			o.queuedPong = nil
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
	o.size -= len(o.pendingPong)
	o.pendingPong, o.queuedPong = nil, nil
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
	o := s.outputLocked(r)
	if free && r.flags.Load()&fBlocked == 0 {
		b := newBuffer(append([]byte(nil), w.control...))
		s.appendLocked(o, b, b.b) // goes out at the turn's end
		return
	}
	o.size += len(w.control) - len(o.pendingPong)
	o.pendingPong = append(o.pendingPong[:0], w.control...)
}

// queuePongLocked queues the pending pong behind the frame that is partly written, or first. It
// replaces the pong before it, if nothing of that one is written.
func (s *Server) queuePongLocked(o *output) {
	if len(o.pendingPong) == 0 {
		return
	}
	b := newBuffer(o.pendingPong)
	o.pendingPong = nil
	s.retain(b)
	at := o.first
	if o.cut {
		at++
	}
	if o.queuedPong != nil && at < len(o.refs) && o.refs[at].buf == o.queuedPong {
		o.size -= len(o.refs[at].b)
		s.release(o.queuedPong)
	} else {
		o.refs = slices.Insert(o.refs, at, ref{})
	}
	o.refs[at], o.queuedPong = ref{b, b.b}, b
}

// noteWatermarkLocked notes that the queue has crossed a watermark. The turn tells the handler, as it
// makes all calls of the handler.
func (s *Server) noteWatermarkLocked(r *record, o *output) {
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
