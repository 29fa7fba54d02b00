package netpoll

import "sync"

// wheelLink is a record's place on the wheel: a doubly linked list of record
// indexes, so that the record needs no pointer. Owned by the wheel's lock.
type wheelLink struct {
	prev, next int32 // record index + 1; 0: none
	due        uint32
	slot       uint16 // + 1; 0: not on the wheel
}

const (
	// wheelSlots ticks are one turn of the wheel; what is due later stays in its
	// slot for another round.
	wheelSlots = 512

	// rest is the most ticks that a wheel sleeps. To wake up and find nothing to
	// do costs a process some 240 µs here, most of them Go's: its monitor wakes,
	// too, and threads look for work. At each tick that was 0.3 µs a second for
	// each of 12,000 clients, of 1.4 in all.
	rest = 10

	// slice is how many pings leave before sockets are looked at again: a
	// millisecond of work.
	slice = 64
)

// wheel is the hashed timing wheel of one loop, after Varghese and Lauck: the
// handshake's, the heartbeat's, the blocked socket's and the close's deadline
// of a connection share one entry. Traffic does not touch it; an entry that
// turns out to be early is put back for later.
//
// The loop's goroutine turns it when its alarm rings. Of what is due then, it
// sends pings itself, and for all else it queues turns, on which Server.judge
// decides. What falls due while those pings leave, some 15 µs each, waits for them.
type wheel struct {
	s     *Server
	alarm *alarm // nil in tests, which turn it by hand

	mu      sync.Mutex
	at      uint32 // the last tick that was handled
	next    uint32 // when the alarm rings
	ringing bool   // it has, and what is due then is being done
	n       int    // entries
	head    [wheelSlots]int32

	// Scratch of the loop's goroutine.
	due   []*record // that need a turn
	pings []*record // to whom a ping is due
	sent  int       // of them
}

// arm sets the record's deadline, earlier or later than before.
func (w *wheel) arm(r *record, due uint32) {
	w.mu.Lock()
	w.armLocked(r, due)
	w.mu.Unlock()
}

// armBy makes the record's deadline no later than due.
func (w *wheel) armBy(r *record, due uint32) {
	w.mu.Lock()
	if r.slot.slot == 0 || int32(due-r.slot.due) < 0 {
		w.armLocked(r, due)
	}
	w.mu.Unlock()
}

// remove takes the record off the wheel.
func (w *wheel) remove(r *record) {
	w.mu.Lock()
	w.unlinkLocked(r)
	w.mu.Unlock()
}

func (w *wheel) armLocked(r *record, due uint32) {
	w.unlinkLocked(r)
	if !w.ringing {
		w.skipLocked(w.s.clock.now.Load())
	}
	if int32(due-w.at) <= 0 {
		due = w.at + 1 // that slot is being or has been handled
	}
	slot := due % wheelSlots
	l := &r.slot
	l.due, l.slot = due, uint16(slot)+1
	l.prev, l.next = 0, w.head[slot]
	if l.next != 0 {
		w.s.slab.At(uint32(l.next - 1)).slot.prev = int32(r.index) + 1
	}
	w.head[slot] = int32(r.index) + 1
	w.n++
	switch {
	case w.ringing: // until it is set anew
	case w.n == 1:
		w.restLocked()
	case int32(due-w.next) < 0:
		w.wakeLocked(due)
	}
}

func (w *wheel) unlinkLocked(r *record) {
	l := &r.slot
	if l.slot == 0 {
		return
	}
	if l.prev != 0 {
		w.s.slab.At(uint32(l.prev - 1)).slot.next = l.next
	} else {
		w.head[l.slot-1] = l.next
	}
	if l.next != 0 {
		w.s.slab.At(uint32(l.next - 1)).slot.prev = l.prev
	}
	l.slot = 0
	w.n--
}

// rung does what is due, when the alarm has rung. It sends one slice of pings at a
// time: until all have left the alarm is not set anew, so it goes on ringing.
func (w *wheel) rung() {
	if w.sent == len(w.pings) {
		w.advance(w.s.clock.look())
	}
	n := min(w.sent+slice, len(w.pings))
	for _, r := range w.pings[w.sent:n] {
		w.s.beatNow(r)
	}
	if w.sent = n; n < len(w.pings) {
		return
	}
	w.mu.Lock()
	w.restLocked()
	w.mu.Unlock()
}

// advance handles every tick up to now: what is due leaves the wheel.
func (w *wheel) advance(now uint32) {
	clear(w.pings)
	w.pings, w.sent = w.pings[:0], 0
	w.mu.Lock()
	w.ringing = true
	w.skipLocked(now)
	for int32(now-w.at) > 0 {
		w.at++
		i := w.head[w.at%wheelSlots]
		for i != 0 {
			r := w.s.slab.At(uint32(i - 1))
			i = r.slot.next
			if r.slot.due == w.at {
				w.takeLocked(r)
			} // else it is another round's
		}
	}
	w.mu.Unlock()
	for _, r := range w.due {
		w.s.timeUp(r)
	}
	clear(w.due)
	w.due = w.due[:0]
}

// skipLocked passes over the ticks at which nothing can be due if the wheel is
// empty.
func (w *wheel) skipLocked(now uint32) {
	if w.n == 0 && int32(now-w.at) > 0 {
		w.at = now
	}
}

// takeLocked takes an entry that is due: most connections need no turn, which a
// look at them shows.
func (w *wheel) takeLocked(r *record) {
	w.unlinkLocked(r)
	due, settled := w.s.nextPing(r, w.at)
	switch {
	case !settled:
		w.due = append(w.due, r)
	case int32(due-w.at) > 0:
		w.armLocked(r, due)
	default:
		w.pings = append(w.pings, r)
	}
}

// restLocked sets the alarm to when something may be due, or to the next
// multiple of rest, so that all loops wake up together. An empty wheel rests
// until something is put on it.
func (w *wheel) restLocked() {
	w.ringing = false
	if w.n == 0 {
		w.wakeLocked(w.at + 1<<30)
		return
	}
	due := w.at + 1
	for due%rest != 0 && w.head[due%wheelSlots] == 0 {
		due++
	}
	w.wakeLocked(due)
}

func (w *wheel) wakeLocked(due uint32) {
	if w.next = due; w.alarm != nil {
		w.alarm.set(w.s.clock.until(due))
	}
}

// timeUp queues a turn that looks at the connection's deadlines.
func (s *Server) timeUp(r *record) {
	r.flags.Or(fTimer)
	s.wake(r)
}
