package window

import (
	"math"
	"slices"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// retained is a class of entries. Each class has limits of its own. A message that is not for the
// history (Message.Skip) has a place there and counts as an event, so that it takes no place from
// a message.
type retained uint8

const (
	messages retained = iota
	events
	numRetained
)

func (e *entry) class() retained {
	if e.has&(hasKey|isSkipped) != 0 {
		return events
	}
	return messages
}

// amount is the number of entries of a class in a window, and their cost without
// engine.PartCost.
type amount struct{ n, bytes int32 }

func (a amount) within(keep *engine.Retention) bool {
	return int(a.n) <= keep.Messages && int(a.bytes) <= min(keep.Bytes, maxBytes)
}

// opGone marks an entry that is only a place, because its event was superseded or forgotten.
const opGone ws.OpCode = 0x20

// count adds an entry to the amounts of the window, or subtracts it if n is -1.
func (w *Window) count(e *entry, n int32) {
	if e.op == opGone {
		w.gone += n
		return
	}
	a := &w.kept[e.class()]
	a.n += n
	a.bytes += n * (int32(e.cost) - engine.PartCost)
}

// passOver forgets an entry that nobody needs: the publication after it then names the one before
// it as its predecessor.
func (w *Window) passOver(i int) {
	offset, prev := w.live()[i].offset, w.live()[i].prev
	w.leavePlace(i)
	all := w.live()
	for i++; i < len(all) && all[i].op == opGone; i++ {
	}
	if i < len(all) && all[i].prev == offset {
		all[i].prev = prev
	}
}

// leavePlace forgets the content of an entry that is not a message.
func (w *Window) leavePlace(i int) {
	e := &w.live()[i]
	w.count(e, -1)
	w.forgetKey(e)
	e.op, e.has, e.prev, e.cost = opGone, 0, 0, engine.PartCost
	w.count(e, 1)
	w.empty(e)
}

// forgetKey removes an entry from the index of events.
func (w *Window) forgetKey(e *entry) {
	if e.has&hasKey != 0 {
		p := e.publication(w.content(e), new(engine.Author))
		delete(w.latest, p.CompactKey)
	}
}

// sweepPlaces removes the places if more than half of the entries are places. So the cost of a
// removal is constant on average.
func (w *Window) sweepPlaces() {
	if w.gone <= 16 || int(w.gone) <= len(w.live())/2 {
		return
	}
	left := slices.DeleteFunc(w.live(), func(e entry) bool { return e.op == opGone })
	w.entries, w.gone = w.entries[:int(w.first)+len(left)], 0
	w.shrink()
}

// Trim forgets publications above the limits: the oldest messages, with the events before them. Of
// the events, it forgets the oldest quarter at once, so that one pass is enough for many calls;
// messages between them stay. now is the time on the clock of Append.
func (w *Window) Trim(keep *engine.Retention, now int64) {
	if keep.Messages <= 0 {
		w.Forget()
		return
	}
	old := int64(math.MinInt64)
	if keep.Age < engine.Forever {
		old = now - int64(keep.Age) // now may be negative: a clock can go back to before the engine started
	}
	n, left, all := 0, w.kept[messages], w.live()
	for i := range all {
		e := &all[i]
		if left.within(keep) && e.came >= old {
			break
		}
		n = i + 1
		if e.op != opGone && e.class() == messages {
			left.n, left.bytes = left.n-1, left.bytes-int32(e.cost)+engine.PartCost
		}
	}
	w.forget(n)
	if !w.kept[events].within(keep) {
		fewer := &engine.Retention{Messages: keep.Messages * 3 / 4, Bytes: min(keep.Bytes, maxBytes) * 3 / 4}
		for i := 0; i < len(w.live()) && !w.kept[events].within(fewer); i++ {
			switch e := &w.live()[i]; {
			case e.has&isSkipped != 0:
				w.passOver(i)
			case e.has&hasKey != 0:
				w.leavePlace(i)
			}
		}
	}
	w.sweepPlaces()
}

// forget drops the n oldest entries.
func (w *Window) forget(n int) {
	if n == 0 {
		return
	}
	for i := range w.live()[:n] {
		e := &w.live()[i]
		w.count(e, -1)
		w.forgetKey(e)
		w.floor = e.offset
	}
	if w.drop(n); len(w.live()) == 0 {
		w.latest = nil
	}
}
