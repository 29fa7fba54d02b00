package memory

import (
	"iter"
	"math"
	"slices"
	"sort"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// A journal is the history of a room, in two blocks of memory without pointers: the entries, and
// the bytes of their content. The garbage collector does not scan these blocks, and they are
// reused. So a kept publication allocates nothing once the room keeps as many as it may.
//
//	entries  │ dropped │ 17 │ 18 │ 19 (gone) │ 20 │ free │
//	                      │    │               │
//	bytes    │ dropped │ .... │ .. │ dead │ ....... │ free │
//
// The bytes of an entry are written once: the tags, key and author, if there are any, and the data.
// The bytes of a superseded event are dead. If more than half of the bytes are dead, the others
// move together.
//
// Reading copies, because publications outlive their entries. A journal is guarded by topic.mu.
type journal struct {
	entries []entry // entries[:first] are dropped
	bytes   []byte  // bytes[:used] are dropped
	first   int32
	used    uint32
	base    uint32 // position of bytes[0]; positions only grow, and wrap around
	dead    uint32 // bytes after used that belong to no entry

	kept   [numRetained]amount
	gone   int32             // entries that are only places
	paid   uint32            // the cost that the payer was charged
	latest map[string]uint64 // offsets of the events in the journal, by CompactKey
}

// entry is a publication, without its bytes.
type entry struct {
	offset uint64
	prev   uint64
	time   int64  // nanoseconds since 1970, for members
	came   int64  // the same on the engine's clock, which is never set
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

// maxJournal limits Retention.Bytes, because positions have 32 bits. Each class of entries may have
// that many bytes.
const maxJournal = 1 << 29

// live returns the entries, oldest first.
func (j *journal) live() []entry { return j.entries[j.first:] }

// find returns the index among the live entries of an offset, or of the next higher one.
func (j *journal) find(offset uint64) int {
	all := j.live()
	return sort.Search(len(all), func(i int) bool { return all[i].offset >= offset })
}

// content returns the bytes of an entry.
func (j *journal) content(e *entry) []byte {
	at := e.at - j.base
	return j.bytes[at : at+e.size : at+e.size]
}

// append adds an entry at the end.
func (j *journal) append(p *engine.Publication, came int64) {
	size := partsSize(p)
	j.entries, j.first = reserve(j.entries, j.first, 1)
	dropped := j.used
	j.bytes, j.used = reserve(j.bytes, j.used, size)
	j.base += dropped - j.used
	e := entry{offset: p.Offset, prev: p.Prev, time: p.Time.UnixNano(), came: came, cost: uint32(engine.Cost(p)), op: p.Op}
	e.at, e.size = j.base+uint32(len(j.bytes)), uint32(size)
	j.bytes, e.has = appendParts(j.bytes, p)
	j.entries = append(j.entries, e)
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
func (j *journal) drop(n int) {
	for i := range j.live()[:n] {
		j.used += j.live()[i].size
	}
	j.first += int32(n)
	if rest := j.live(); len(rest) > 0 {
		end := rest[0].at - j.base // the bytes between are dead
		j.dead -= end - j.used
		j.used = end
	} else {
		j.dead, j.used = 0, uint32(len(j.bytes))
	}
	j.shrink()
}

// shrink frees memory that is no longer needed.
func (j *journal) shrink() {
	j.entries, j.first = fit(j.entries, j.first, 8)
	dropped := j.used
	j.bytes, j.used = fit(j.bytes, j.used, 256)
	j.base += dropped - j.used
}

// empty removes the bytes of an entry.
func (j *journal) empty(e *entry) {
	j.dead += e.size
	e.at, e.size = e.at+e.size, 0
	if j.dead > 256 && int(j.dead) > (len(j.bytes)-int(j.used))/2 {
		j.gather()
	}
}

// gather moves the bytes of the entries together, over the dead ones.
func (j *journal) gather() {
	to := j.used
	for i := range j.live() {
		e := &j.live()[i]
		n := copy(j.bytes[to:], j.content(e))
		e.at = j.base + to
		to += uint32(n)
	}
	j.bytes, j.dead = j.bytes[:to], 0
	j.shrink()
}

// rewrite replaces the content of the entries for which other returns true. It copies all bytes,
// because redacting is rare.
func (j *journal) rewrite(other func(e *entry) (engine.Publication, bool)) {
	old := j.bytes
	fresh := make([]byte, 0, len(j.bytes)-int(j.used)-int(j.dead))
	for i := range j.live() {
		e := &j.live()[i]
		at := uint32(len(fresh))
		if p, ok := other(e); ok {
			j.count(e, -1)
			fresh, e.has = appendParts(fresh, &p)
			e.op, e.cost = p.Op, uint32(engine.Cost(&p))
			j.count(e, 1)
		} else {
			from := e.at - j.base
			fresh = append(fresh, old[from:from+e.size]...)
		}
		e.at, e.size = j.base+at, uint32(len(fresh))-at
	}
	j.bytes, j.used, j.dead = fresh, 0, 0
}

// span iterates over the entries that q selects, in its order.
func (j *journal) span(q engine.Span) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		all := j.live()
		if q.Before != 0 {
			all = all[:j.find(q.Before)]
		}
		if q.Behind == math.MaxUint64 {
			return // its successor would be 0
		}
		all = all[min(j.find(q.Behind+1), len(all)):]
		n, bytes := 0, 0
		for i := range all {
			e := &all[i]
			if q.Newest {
				e = &all[len(all)-1-i]
			}
			if q.Limit >= 0 && n >= q.Limit {
				return
			}
			if e.op == opGone || !q.Places && e.has&isSkipped != 0 {
				continue
			}
			if bytes += int(e.cost); q.Bytes > 0 && bytes > q.Bytes && n > 0 {
				return
			}
			if n++; !yield(e) {
				return
			}
		}
	}
}

// read copies the entries that q selects. The result is in three blocks of memory, except the tags.
func (j *journal) read(q engine.Span) []engine.Publication {
	n, size, authors := 0, 0, 0
	for e := range j.span(q) {
		n++
		size += int(e.size)
		if e.has&hasAuthor != 0 {
			authors++
		}
	}
	if n == 0 {
		return nil
	}
	part, bytes, who := make([]engine.Publication, 0, n), make([]byte, 0, size), make([]engine.Author, 0, authors)
	for e := range j.span(q) {
		at := len(bytes)
		bytes = append(bytes, j.content(e)...)
		var from *engine.Author
		if e.has&hasAuthor != 0 {
			who = append(who, engine.Author{})
			from = &who[len(who)-1]
		}
		part = append(part, e.publication(bytes[at:len(bytes):len(bytes)], from))
	}
	return part
}
