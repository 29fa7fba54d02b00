package output

import (
	"slices"
	"sync"
	"unsafe"
)

// Queue is the queue of a connection, oldest first. It exists only while it is not empty.
type Queue struct {
	total       *Total
	refs        []Ref
	first       int     // refs[:first] are written: a long queue is not moved at each write
	size        int     // bytes of live refs, and of the pending pong
	exempt      int     // size of the replies that do not count in a limit, see Exempt
	cut         bool    // part of the first ref is written: nothing may come before its rest
	pendingPong []byte  // not among refs yet, because it came while the socket was full; nil: none
	queuedPong  *Buffer // a pong among refs of which nothing is written yet
}

// queues saves the allocations of connections that answer at the end of their turn, which queue for
// a moment only.
var queues = sync.Pool{New: func() any { return new(Queue) }}

// keptRefs is the largest capacity of refs that is kept for the next user of a Queue.
const keptRefs = 64

// New returns an empty queue whose memory counts in a total.
func New(t *Total) *Queue {
	q := queues.Get().(*Queue)
	q.total = t
	return q
}

// Free gives back a queue that is empty. The caller must not use it any more.
func (q *Queue) Free() {
	refs := q.refs[:0]
	if cap(refs) > keptRefs {
		refs = nil
	}
	*q = Queue{refs: refs}
	queues.Put(q)
}

// Live returns the references that are still to be written.
func (q *Queue) Live() []Ref { return q.refs[q.first:] }

// Size returns the number of queued bytes.
func (q *Queue) Size() int { return q.size }

// Cost returns the part of a limit that the queue uses. A frame that is queued by itself costs
// memory besides its bytes. A client that makes the server send tiny frames could multiply its
// bytes by fifty.
func (q *Queue) Cost() int { return q.size + BufferCost*len(q.Live()) }

// Weight returns about the number of bytes that the end of the queue would free: everything that
// only this queue holds, and its share of the buffers that other queues hold too.
func (q *Queue) Weight() (n int) {
	for _, r := range q.Live() {
		n += int(RefSize) + r.Buf.size/max(1, int(r.Buf.holders.Load()))
	}
	return n
}

// Fits reports whether n more bytes keep the queue within a limit. One message may exceed the limit
// alone.
func (q *Queue) Fits(n, limit int) bool { return q.size == 0 || q.Cost()+n <= limit+q.exempt }

// Exempt notes that n queued bytes of a reply do not count in the limit, if the queue is past the
// high watermark with them. EndExempt ends that, so messages behind large replies have all of the
// limit meanwhile.
func (q *Queue) Exempt(high, n int) {
	if q.Cost() > high {
		q.exempt += n + BufferCost
	}
}

// EndExempt ends the exemption of all replies.
func (q *Queue) EndExempt() { q.exempt = 0 }

// Append adds a reference at the end; one that goes on where the last one ends, as a log's cuts do,
// only makes that one longer.
func (q *Queue) Append(buf *Buffer, b []byte) {
	if len(b) == 0 {
		return
	}
	q.size += len(b)
	if live := q.Live(); len(live) > 0 {
		if last := &live[len(live)-1]; last.Buf == buf && follows(last.B, b) {
			last.B = unsafe.Slice(&last.B[0], len(last.B)+len(b))
			return
		}
	}
	q.total.retain(buf)
	q.refs = append(q.refs, Ref{buf, b})
}

// follows reports whether b begins in memory where a ends; both are parts of one buffer, neither is
// empty.
func follows(a, b []byte) bool {
	return uintptr(unsafe.Pointer(&a[0]))+uintptr(len(a)) == uintptr(unsafe.Pointer(&b[0]))
}

// Front puts the rest of a write before all else. cut says that a part of its frame is written.
func (q *Queue) Front(rest Ref, cut bool) {
	q.size += len(rest.B)
	q.cut = cut
	q.total.retain(rest.Buf)
	q.refs = slices.Insert(q.refs, q.first, rest)
}

// Consume takes n written bytes off the front.
func (q *Queue) Consume(n int) {
	q.size -= n
	i := q.first
	for n > 0 {
		r := &q.refs[i]
		if r.Buf == q.queuedPong {
			q.queuedPong = nil
		}
		if n < len(r.B) {
			r.B = r.B[n:]
			q.cut = true
			break
		}
		n -= len(r.B)
		q.total.release(r.Buf)
		*r = Ref{}
		q.cut = false
		i++
	}
	if q.first = i; 2*q.first >= len(q.refs) {
		rest := copy(q.refs, q.Live())
		clear(q.refs[rest:])
		q.refs, q.first = q.refs[:rest], 0
	}
}

// Drop releases all references and frees the queue. writing says that a write may be reading some
// of them.
func (q *Queue) Drop(writing bool) {
	for _, r := range q.Live() {
		if writing {
			r.Buf.keep.Store(true)
		}
		q.total.release(r.Buf)
	}
	clear(q.refs)
	q.Free()
}

// A State is the content of a queue, for another process. It is read only while nobody writes.
type State struct {
	Refs   []Ref  // stretches of whole frames, oldest first
	Cut    bool   // the first stretch is the rest of a frame that is partly written
	Pong   []byte // the pending pong
	Exempt int    // see Exempt
}

// State returns the content of the queue. Its memory is that of the queue.
func (q *Queue) State() State {
	return State{Refs: q.Live(), Cut: q.cut, Pong: q.pendingPong, Exempt: q.exempt}
}

// Restore fills an empty queue. It keeps the buffers.
func (q *Queue) Restore(s State) {
	for _, r := range s.Refs {
		q.Append(r.Buf, r.B)
	}
	q.cut, q.exempt = s.Cut && len(q.refs) > 0, max(0, s.Exempt)
	if len(s.Pong) > 0 {
		q.SetPong(s.Pong)
	}
}

// Trim drops the queue, except a frame that is partly written, and the references that a write may
// be taking at this time, which are the first so many.
func (q *Queue) Trim(writing int) {
	keep := writing
	if q.cut {
		keep = max(keep, 1)
	}
	live := q.Live()
	for i := min(keep, len(live)); i < len(live); i++ {
		q.size -= len(live[i].B)
		q.total.release(live[i].Buf)
		live[i] = Ref{}
	}
	q.refs = q.refs[:q.first+min(keep, len(live))]
	q.size -= len(q.pendingPong)
	q.pendingPong, q.queuedPong = nil, nil
}
