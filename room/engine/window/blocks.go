package window

import (
	"slices"
	"sort"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// entry is a publication, without its bytes.
type entry struct {
	offset uint64
	prev   uint64
	time   int64  // nanoseconds since 1970, for members
	came   int64  // the same on the clock of Append
	at     uint32 // position of its bytes
	size   uint32 // of its bytes
	cost   uint32 // engine.Cost
	op     ws.OpCode
	has    parts
}

// parts are the parts of an entry besides its data.
type parts uint8

const (
	hasTags parts = 1 << iota
	hasKey        // Message.CompactKey
	hasAuthor
	isSkipped // Message.Skip
)

// maxBytes limits Retention.Bytes, because positions have 32 bits. Each class of entries may have
// that many bytes.
const maxBytes = 1 << 29

// live returns the entries, oldest first.
func (w *Window) live() []entry { return w.entries[w.first:] }

// find returns the index among the live entries of an offset, or of the next higher one.
func (w *Window) find(offset uint64) int {
	all := w.live()
	return sort.Search(len(all), func(i int) bool { return all[i].offset >= offset })
}

// content returns the bytes of an entry.
func (w *Window) content(e *entry) []byte {
	at := e.at - w.base
	return w.bytes[at : at+e.size : at+e.size]
}

// add adds an entry at the end.
func (w *Window) add(p *engine.Publication, size int, came int64) {
	w.entries, w.first = reserve(w.entries, w.first, 1)
	dropped := w.used
	w.bytes, w.used = reserve(w.bytes, w.used, size)
	w.base += dropped - w.used
	e := entry{offset: p.Offset, prev: p.Prev, time: p.Time.UnixNano(), came: came, cost: uint32(engine.Cost(p)), op: p.Op}
	e.at, e.size = w.base+uint32(len(w.bytes)), uint32(size)
	w.bytes, e.has = appendParts(w.bytes, p)
	w.entries = append(w.entries, e)
}

// reserve makes space for n more after live, which is all[first:]. It reuses the dropped space
// before live if that is at least a quarter of the memory, so that a byte is moved at most three
// times.
func reserve[E any, P int32 | uint32](all []E, first P, n int) ([]E, P) {
	if len(all)+n <= cap(all) {
		return all, first
	}
	live := all[first:]
	need := len(live) + n
	if need <= cap(all)-cap(all)/4 {
		return all[:copy(all, live)], 0
	}
	if len(live) > 0 {
		need += need / 2
	}
	return append(slices.Grow([]E(nil), need), live...), 0
}

// fit reallocates a block if less than a quarter of it is used.
func fit[E any, P int32 | uint32](all []E, first P, least int) ([]E, P) {
	live := all[first:]
	if len(live) == 0 {
		return nil, 0
	}
	if cap(all) <= max(least, 4*len(live)) {
		return all, first
	}
	return append(slices.Grow([]E(nil), len(live)+len(live)/2), live...), 0
}

// drop removes the n oldest entries and their bytes.
func (w *Window) drop(n int) {
	for i := range w.live()[:n] {
		w.used += w.live()[i].size
	}
	w.first += int32(n)
	if rest := w.live(); len(rest) > 0 {
		end := rest[0].at - w.base // the bytes between are dead
		w.dead -= end - w.used
		w.used = end
	} else {
		w.dead, w.used = 0, uint32(len(w.bytes))
	}
	w.gather() // most of the living may have been dropped
	w.shrink()
}

// shrink frees memory that is no longer needed.
func (w *Window) shrink() {
	w.entries, w.first = fit(w.entries, w.first, 8)
	dropped := w.used
	w.bytes, w.used = fit(w.bytes, w.used, 256)
	w.base += dropped - w.used
}

// empty removes the bytes of an entry.
func (w *Window) empty(e *entry) {
	w.dead += e.size
	e.at, e.size = e.at+e.size, 0
	w.gather()
}

// gather moves the bytes of the entries together, over the dead ones, if more than half are dead.
func (w *Window) gather() {
	if w.dead <= 256 || int(w.dead) <= (len(w.bytes)-int(w.used))/2 {
		return
	}
	to := w.used
	for i := range w.live() {
		e := &w.live()[i]
		n := copy(w.bytes[to:], w.content(e))
		e.at = w.base + to
		to += uint32(n)
	}
	w.bytes, w.dead = w.bytes[:to], 0
	w.shrink()
}

// rewrite replaces the content of the entries for which other returns true. It copies all bytes,
// because redacting is rare.
func (w *Window) rewrite(other func(e *entry) (engine.Publication, bool)) {
	old := w.bytes
	fresh := make([]byte, 0, len(w.bytes)-int(w.used)-int(w.dead))
	for i := range w.live() {
		e := &w.live()[i]
		at := uint32(len(fresh))
		if p, ok := other(e); ok {
			w.count(e, -1)
			fresh, e.has = appendParts(fresh, &p)
			e.op, e.cost = p.Op, uint32(engine.Cost(&p))
			w.count(e, 1)
		} else {
			from := e.at - w.base
			fresh = append(fresh, old[from:from+e.size]...)
		}
		e.at, e.size = w.base+at, uint32(len(fresh))-at
	}
	w.bytes, w.used, w.dead = fresh, 0, 0
}
