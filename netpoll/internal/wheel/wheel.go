package wheel

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A Link is a record's place on a Wheel: an entry of a doubly linked list of record numbers, so that
// the record needs no pointer. It belongs to the wheel's lock. The zero value is not on a wheel.
type Link struct {
	prev, next int32 // record number + 1; 0: none
	due        uint32
	slot       uint16 // + 1; 0: not on the wheel
	Own        uint16 // the owner's, in what would be padding; the wheel does not touch it
}

// Owner is the server as a Wheel sees it. Records are named by their numbers.
type Owner interface {
	// Link returns a record's place on the wheel. It is called under the wheel's lock.
	Link(i uint32) *Link
	// Settle decides, without the connection's turn, about a record. Its deadline has come at the
	// tick now. If nothing but a heartbeat can be due, it returns when the heartbeat is due. If
	// settled is false the connection needs a turn. It is called under the wheel's lock, and must
	// not lock or call the wheel.
	Settle(i, now uint32) (due uint32, settled bool)
	// Turn asks for a turn of the connection, on which its deadlines are checked.
	Turn(i uint32)
	// Ping sends a connection's heartbeat, which is due.
	Ping(i uint32)
}

const (
	// wheelSlots ticks are one rotation of the wheel. An entry that is due later stays in its slot
	// for another rotation.
	wheelSlots = 512

	// idleTicks is the most ticks that a wheel sleeps. A wake-up that finds nothing to do costs a
	// process some 240 µs here, most of them in Go: its monitor wakes up too, and threads look for
	// work. With a wake-up at each tick, that was 0.3 µs a second for each of 12,000 clients, of
	// 1.4 µs in all.
	idleTicks = 10

	// pingBatch heartbeats are sent before the loop looks at its sockets again: a millisecond of
	// work.
	pingBatch = 64
)

// A Wheel is the hashed timing wheel of one loop, after Varghese and Lauck. All deadlines of a
// connection share one entry: the handshake's, the heartbeat's, the blocked socket's, and the
// close's. The owner sets the entry to the earliest of them.
//
// The loop's goroutine calls OnTimer when the timerfd is readable. For each entry that is due then,
// OnTimer calls Owner.Ping if only a heartbeat is due, and Owner.Turn if the connection needs a turn.
// Entries that fall due while heartbeats are sent, some 15 µs each, wait for their end.
//
// Arm, ArmBy, Remove, Start and Close are safe for concurrent use.
type Wheel struct {
	clock *Clock
	owner Owner

	mu     sync.Mutex
	timer  *timerfd // nil once closed, and in tests that turn the wheel by hand
	at     uint32   // the last tick that was handled
	next   uint32   // the tick that the timer is set to
	firing bool     // the timer has expired, and its entries are being handled
	n      int      // entries
	head   [wheelSlots]int32

	// Scratch memory of the loop's goroutine.
	turns []uint32 // records that need a turn
	pings []uint32 // records for which a heartbeat is due
	sent  int      // the number of pings that were sent
}

// New makes an empty wheel with its timer. Close frees the timer.
func New(clock *Clock, owner Owner) (*Wheel, error) {
	timer, err := newTimerfd()
	if err != nil {
		return nil, err
	}
	return &Wheel{clock: clock, owner: owner, timer: timer}, nil
}

// FD returns the descriptor of the timer. When it is readable, the loop calls OnTimer.
func (w *Wheel) FD() int { return w.timer.fd }

// Start sets the timer for the first time.
func (w *Wheel) Start() {
	w.mu.Lock()
	w.setTimerLocked()
	w.mu.Unlock()
}

// Close closes the timer's descriptor. Entries are never due after that.
func (w *Wheel) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		unix.Close(w.timer.fd)
		w.timer = nil
	}
}

// Due returns the tick of a record's deadline; ok is false if it has none.
func (w *Wheel) Due(i uint32) (due uint32, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.owner.Link(i)
	return l.due, l.slot != 0
}

// Arm sets a record's deadline, earlier or later than before. A deadline that has passed is due at
// the next tick.
func (w *Wheel) Arm(i, due uint32) {
	w.mu.Lock()
	w.armLocked(i, due)
	w.mu.Unlock()
}

// ArmBy makes a record's deadline no later than due.
func (w *Wheel) ArmBy(i, due uint32) {
	w.mu.Lock()
	if l := w.owner.Link(i); l.slot == 0 || int32(due-l.due) < 0 {
		w.armLocked(i, due)
	}
	w.mu.Unlock()
}

// Remove takes a record off the wheel.
func (w *Wheel) Remove(i uint32) {
	w.mu.Lock()
	w.unlinkLocked(i)
	w.mu.Unlock()
}

func (w *Wheel) armLocked(i, due uint32) {
	w.unlinkLocked(i)
	if !w.firing {
		w.skipLocked(w.clock.Last.Load())
	}
	if int32(due-w.at) <= 0 {
		due = w.at + 1 // the slot of due is being handled, or has been
	}
	slot := due % wheelSlots
	l := w.owner.Link(i)
	l.due, l.slot = due, uint16(slot)+1
	l.prev, l.next = 0, w.head[slot]
	if l.next != 0 {
		w.owner.Link(uint32(l.next - 1)).prev = int32(i) + 1
	}
	w.head[slot] = int32(i) + 1
	w.n++
	switch {
	case w.firing: // OnTimer will set the timer
	case w.n == 1:
		w.setTimerLocked()
	case int32(due-w.next) < 0:
		w.wakeAtLocked(due)
	}
}

func (w *Wheel) unlinkLocked(i uint32) {
	l := w.owner.Link(i)
	if l.slot == 0 {
		return
	}
	if l.prev != 0 {
		w.owner.Link(uint32(l.prev - 1)).next = l.next
	} else {
		w.head[l.slot-1] = l.next
	}
	if l.next != 0 {
		w.owner.Link(uint32(l.next - 1)).prev = l.prev
	}
	l.slot = 0
	w.n--
}

// OnTimer handles the entries that are due. Only the loop's goroutine calls it, when the timer has
// expired. It sends one batch of heartbeats at a time: until all are sent it does not set the timer,
// which so stays readable, and the loop calls OnTimer again after a look at its sockets.
func (w *Wheel) OnTimer() {
	if w.sent == len(w.pings) {
		w.advance(w.clock.Look())
	}
	n := min(w.sent+pingBatch, len(w.pings))
	for _, i := range w.pings[w.sent:n] {
		w.owner.Ping(i)
	}
	if w.sent = n; n < len(w.pings) {
		return
	}
	w.mu.Lock()
	w.setTimerLocked()
	w.mu.Unlock()
}

// advance takes the entries of every tick up to now off the wheel, and asks for the turns.
func (w *Wheel) advance(now uint32) {
	w.pings, w.sent = w.pings[:0], 0
	w.mu.Lock()
	w.firing = true
	w.skipLocked(now)
	for int32(now-w.at) > 0 {
		w.at++
		next := w.head[w.at%wheelSlots]
		for next != 0 {
			i := uint32(next - 1)
			l := w.owner.Link(i)
			next = l.next
			if l.due == w.at { // otherwise it belongs to another rotation
				w.takeLocked(i)
			}
		}
	}
	w.mu.Unlock()
	for _, i := range w.turns {
		w.owner.Turn(i)
	}
	w.turns = w.turns[:0]
}

// skipLocked moves an empty wheel on: nothing can be due at the ticks between.
func (w *Wheel) skipLocked(now uint32) {
	if w.n == 0 && int32(now-w.at) > 0 {
		w.at = now
	}
}

// takeLocked takes an entry that is due off the wheel. Most connections need no turn, which the
// owner sees by a look at their records.
func (w *Wheel) takeLocked(i uint32) {
	w.unlinkLocked(i)
	due, settled := w.owner.Settle(i, w.at)
	switch {
	case !settled:
		w.turns = append(w.turns, i)
	case int32(due-w.at) > 0:
		w.armLocked(i, due)
	default:
		w.pings = append(w.pings, i)
	}
}

// setTimerLocked sets the timer to the next tick that has entries, or to the next idle tick if that
// comes before, so that all loops wake up together. The timer of an empty wheel waits until
// something is put on it.
func (w *Wheel) setTimerLocked() {
	w.firing = false
	if w.n == 0 {
		w.wakeAtLocked(w.at + 1<<30)
		return
	}
	due := w.at + 1
	for due%idleTicks != 0 && w.head[due%wheelSlots] == 0 {
		due++
	}
	w.wakeAtLocked(due)
}

func (w *Wheel) wakeAtLocked(due uint32) {
	if w.next = due; w.timer != nil {
		w.timer.set(w.clock.Until(due))
	}
}
