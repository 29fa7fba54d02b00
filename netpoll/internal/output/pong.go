package output

import "slices"

// SetPong makes a pong the pending one, in place of an earlier one: it answers the latest ping. The
// queue copies the frame.
func (q *Queue) SetPong(frame []byte) {
	q.size += len(frame) - len(q.pendingPong)
	q.pendingPong = append(q.pendingPong[:0], frame...)
}

// QueuePong queues the pending pong behind the frame that is partly written, or first. It replaces
// the pong before it, if nothing of that one is written.
func (q *Queue) QueuePong() {
	if len(q.pendingPong) == 0 {
		return
	}
	b := NewBuffer(q.pendingPong)
	q.pendingPong = nil
	q.total.retain(b)
	at := q.first
	if q.cut {
		at++
	}
	if q.queuedPong != nil && at < len(q.refs) && q.refs[at].Buf == q.queuedPong {
		q.size -= len(q.refs[at].B)
		q.total.release(q.queuedPong)
	} else {
		q.refs = slices.Insert(q.refs, at, Ref{})
	}
	q.refs[at], q.queuedPong = Ref{b, b.B}, b
}
