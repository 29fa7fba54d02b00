package room

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"sort"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
)

// A journal is what the memory engine remembers of a room, in two pieces of memory
// without pointers, which the garbage collector does not look into and which are used
// again: what the entries are, and the bytes that they say. So a publication that is
// remembered allocates nothing once its room has as many as it may.
//
//	entries  │ dropped │ 17 │ 18 │ 19 (gone) │ 20 │ free │
//	                      │    │               │
//	bytes    │ dropped │ .... │ .. │ dead │ ....... │ free │
//
// The bytes of an entry are written once: tags, key and author, if it has any, and its
// data. What an event leaves behind that was superseded is dead, until that is the
// larger part of the bytes: then the others move together.
//
// Reading copies: publications outlive their entries. Guarded by topic.mu.
type journal struct {
	entries []entry // entries[:first] are dropped
	bytes   []byte  // bytes[:used] are dropped
	first   int32
	used    uint32
	base    uint32 // position of bytes[0]: positions count on for ever, and wrap around
	dead    uint32 // bytes behind used that no entry has

	kept   [numRetained]amount
	gone   int32             // entries that are only places
	paid   uint32            // what the payer's share has of it
	latest map[string]uint64 // offsets of the events that are remembered, by CompactKey
}

// entry is a publication, without its bytes.
type entry struct {
	offset uint64
	prev   uint64
	time   int64  // nanoseconds since 1970: what members are told
	came   int64  // the same on the engine's clock, which nobody sets
	at     uint32 // position of its bytes
	size   uint32 // of its bytes
	cost   uint32 // that costOf gives
	op     ws.OpCode
	has    parts
}

// parts are what an entry has besides its data.
type parts uint8

const (
	hasTags parts = 1 << iota
	hasKey        // Message.CompactKey
	hasAuthor
	isSkipped // Message.Skip
)

// maxJournal bounds the bytes that a room's retention may ask for, because positions have
// 32 bits.
const maxJournal = 1 << 29 // each class of entries may have as many

// live are the entries, oldest first.
func (j *journal) live() []entry { return j.entries[j.first:] }

// find is the place among the live entries of an offset, or of the next one.
func (j *journal) find(offset uint64) int {
	all := j.live()
	return sort.Search(len(all), func(i int) bool { return all[i].offset >= offset })
}

// said are an entry's bytes.
func (j *journal) said(e *entry) []byte {
	at := e.at - j.base
	return j.bytes[at : at+e.size : at+e.size]
}

// append adds an entry at the end.
func (j *journal) append(p *Publication, came int64) {
	size := partsSize(p)
	j.entries, j.first = roomFor(j.entries, j.first, 1)
	dropped := j.used
	j.bytes, j.used = roomFor(j.bytes, j.used, size)
	j.base += dropped - j.used
	e := entry{offset: p.Offset, prev: p.Prev, time: p.Time.UnixNano(), came: came, cost: uint32(Cost(p)), op: p.Op}
	e.at, e.size = j.base+uint32(len(j.bytes)), uint32(size)
	j.bytes, e.has = appendParts(j.bytes, p)
	j.entries = append(j.entries, e)
}

// roomFor makes room for n more behind live, which is all[first:]. What was dropped
// before it is used again when it is a quarter of the memory or more, so that a byte is
// moved three times at most.
func roomFor[E any, P int32 | uint32](all []E, first P, n int) ([]E, P) {
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

// fit gives memory back of which less than a quarter is used.
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

// drop forgets the bytes and places of the n oldest entries.
func (j *journal) drop(n int) {
	for i := range j.live()[:n] {
		j.used += j.live()[i].size
	}
	j.first += int32(n)
	if rest := j.live(); len(rest) > 0 {
		end := rest[0].at - j.base // what is between is dead
		j.dead -= end - j.used
		j.used = end
	} else {
		j.dead, j.used = 0, uint32(len(j.bytes))
	}
	j.shrink()
}

// shrink gives memory back that is of no use any more.
func (j *journal) shrink() {
	j.entries, j.first = fit(j.entries, j.first, 8)
	dropped := j.used
	j.bytes, j.used = fit(j.bytes, j.used, 256)
	j.base += dropped - j.used
}

// empty makes an entry one without bytes.
func (j *journal) empty(e *entry) {
	j.dead += e.size
	e.at, e.size = e.at+e.size, 0
	if j.dead > 256 && int(j.dead) > (len(j.bytes)-int(j.used))/2 {
		j.gather()
	}
}

// gather moves the bytes of the entries together.
func (j *journal) gather() {
	to := j.used
	for i := range j.live() {
		e := &j.live()[i]
		n := copy(j.bytes[to:], j.said(e))
		e.at = j.base + to
		to += uint32(n)
	}
	j.bytes, j.dead = j.bytes[:to], 0
	j.shrink()
}

// rewrite gives some publications other bytes. It makes a copy: redacting is rare.
func (j *journal) rewrite(other func(e *entry) (Publication, bool)) {
	old := j.bytes
	fresh := make([]byte, 0, len(j.bytes)-int(j.used)-int(j.dead))
	for i := range j.live() {
		e := &j.live()[i]
		at := uint32(len(fresh))
		if p, ok := other(e); ok {
			j.count(e, -1)
			fresh, e.has = appendParts(fresh, &p)
			e.op, e.cost = p.Op, uint32(Cost(&p))
			j.count(e, 1)
		} else {
			from := e.at - j.base
			fresh = append(fresh, old[from:from+e.size]...)
		}
		e.at, e.size = j.base+at, uint32(len(fresh))-at
	}
	j.bytes, j.used, j.dead = fresh, 0, 0
}

// span are the entries that a Span asks for, in its order. Their bytes stay below the
// span's bound.
func (j *journal) span(q Span) iter.Seq[*entry] {
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

// read copies a span. All that it returns lies in three pieces of memory, but for tags.
func (j *journal) read(q Span) []Publication {
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
	part, bytes, who := make([]Publication, 0, n), make([]byte, 0, size), make([]Author, 0, authors)
	for e := range j.span(q) {
		at := len(bytes)
		bytes = append(bytes, j.said(e)...)
		var from *Author
		if e.has&hasAuthor != 0 {
			who = append(who, Author{})
			from = &who[len(who)-1]
		}
		part = append(part, e.publication(bytes[at:len(bytes):len(bytes)], from))
	}
	return part
}

// publication puts an entry together again. Its strings and slices are parts of b, which
// must not change any more.
func (e *entry) publication(b []byte, from *Author) (p Publication) {
	p.Offset, p.Prev, p.Time, p.Op, p.Skip = e.offset, e.prev, time.Unix(0, e.time), e.op, e.has&isSkipped != 0
	if e.has&hasTags != 0 {
		n, k := binary.Uvarint(b)
		b, p.Tags = b[k:], make(map[string]string, n)
		for range n {
			var name, value []byte
			name, b = cutPart(b)
			value, b = cutPart(b)
			p.Tags[stringOf(name)] = stringOf(value)
		}
	}
	if e.has&hasKey != 0 {
		var key []byte
		key, b = cutPart(b)
		p.CompactKey = stringOf(key)
	}
	if e.has&hasAuthor != 0 {
		var user, client []byte
		user, b = cutPart(b)
		client, b = cutPart(b)
		from.User, from.Client = stringOf(user), stringOf(client)
		from.ConnInfo, b = cutPart(b)
		from.ChanInfo, b = cutPart(b)
		p.From = from
	}
	if !p.Skip { // of that only its place is remembered
		p.Data = b
	}
	return p
}

// appendParts writes what publication reads.
func appendParts(b []byte, p *Publication) ([]byte, parts) {
	var has parts
	if p.Skip {
		has |= isSkipped
	}
	if len(p.Tags) > 0 {
		has |= hasTags
		b = binary.AppendUvarint(b, uint64(len(p.Tags)))
		for name, value := range p.Tags {
			b = appendPart(appendPart(b, name), value)
		}
	}
	if p.CompactKey != "" {
		has |= hasKey
		b = appendPart(b, p.CompactKey)
	}
	if a := p.From; a != nil {
		has |= hasAuthor
		b = appendPart(appendPart(b, a.User), a.Client)
		b = appendPart(appendPart(b, a.ConnInfo), a.ChanInfo)
	}
	return append(b, p.Data...), has
}

// partsSize is how many bytes appendParts writes.
func partsSize(p *Publication) int {
	n := len(p.Data)
	if len(p.Tags) > 0 {
		n += varintLen(len(p.Tags))
		for name, value := range p.Tags {
			n += partSize(len(name)) + partSize(len(value))
		}
	}
	if p.CompactKey != "" {
		n += partSize(len(p.CompactKey))
	}
	if a := p.From; a != nil {
		n += partSize(len(a.User)) + partSize(len(a.Client)) + partSize(len(a.ConnInfo)) + partSize(len(a.ChanInfo))
	}
	return n
}

func varintLen(n int) (size int) {
	for size = 1; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func partSize(n int) int { return varintLen(n) + n }

func appendPart[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutPart cuts what appendPart wrote from b; nil if it is empty.
func cutPart(b []byte) (one, rest []byte) {
	n, k := binary.Uvarint(b)
	if n == 0 {
		return nil, b[k:]
	}
	end := k + int(n)
	return b[k:end:end], b[end:]
}

// stringOf is b as a string, without a copy.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
