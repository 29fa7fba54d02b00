package window

import (
	"iter"
	"math"
	"slices"

	"webim/room/engine"
)

// Window is the newest part of the log of a room: the publications behind an offset, except those
// that Trim has forgotten or that were superseded. The zero value is an empty window. A Window is
// not safe for concurrent use.
//
//	entries  │ dropped │ 17 │ 18 │ 19 (gone) │ 20 │ free │
//	                      │    │               │
//	bytes    │ dropped │ .... │ .. │ dead │ ....... │ free │
//
// The bytes of an entry are written once: the tags, key and author, if there are any, and the data.
// The bytes of a superseded event are dead. If more than half of the bytes are dead, the others
// move together.
type Window struct {
	entries []entry // entries[:first] are dropped
	bytes   []byte  // bytes[:used] are dropped
	first   int32
	used    uint32
	base    uint32 // position of bytes[0]; positions only grow, and wrap around
	dead    uint32 // bytes after used that belong to no entry

	kept   [numRetained]amount
	gone   int32             // entries that are only places
	latest map[string]uint64 // offsets of the events in the window, by CompactKey

	floor uint64 // the window has every publication behind this offset
	top   uint64 // offset of the last publication that was appended; 0: none yet
}

// Append adds the next publication of the room, and copies it. came is when it came, in nanoseconds
// on any clock that is never set; Trim needs the same clock. An event supersedes the event with the
// same CompactKey. Of a message that skips the history, only the offset and the time stay.
//
// A window has no gaps: if it does not end with p.Prev, it first forgets all publications. It also
// forgets all, with p, if p has more than 512 MiB.
func (w *Window) Append(p *engine.Publication, came int64) {
	if p.Prev != w.top {
		w.forget(len(w.live()))
		w.floor = p.Prev
	}
	w.top = p.Offset
	if p.Skip {
		p = &engine.Publication{Message: engine.Message{Skip: true}, Offset: p.Offset, Prev: p.Prev, Time: p.Time}
	}
	size := partsSize(p)
	if size > maxBytes {
		w.Forget()
		return
	}
	w.add(p, size, came)
	w.count(&w.entries[len(w.entries)-1], 1)
	if p.CompactKey == "" {
		return
	}
	if old, ok := w.latest[p.CompactKey]; ok {
		w.passOver(w.find(old)) // nobody needs it any more
	}
	if w.latest == nil {
		w.latest = map[string]uint64{}
	}
	w.latest[p.CompactKey] = p.Offset
}

// span iterates over the entries that q selects, in its order.
func (w *Window) span(q engine.Span) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		all := w.live()
		if q.Before != 0 {
			all = all[:w.find(q.Before)]
		}
		if q.Behind == math.MaxUint64 {
			return // its successor would be 0
		}
		all = all[min(w.find(q.Behind+1), len(all)):]
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

// Read copies the publications that q selects, in its order. Superseded events are not among them,
// and Prev skips them. The result is in three blocks of memory, except the tags. The window does not
// use it after that.
func (w *Window) Read(q engine.Span) []engine.Publication {
	n, size, authors := 0, 0, 0
	for e := range w.span(q) {
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
	for e := range w.span(q) {
		at := len(bytes)
		bytes = append(bytes, w.content(e)...)
		var from *engine.Author
		if e.has&hasAuthor != 0 {
			who = append(who, engine.Author{})
			from = &who[len(who)-1]
		}
		part = append(part, e.publication(bytes[at:len(bytes):len(bytes)], from))
	}
	return part
}

// Redact removes the data of the publications with these offsets; see engine.Publication.Redact.
func (w *Window) Redact(offsets []uint64) {
	concerned := func(e entry) bool {
		return e.op != opGone && e.has&isSkipped == 0 && slices.Contains(offsets, e.offset)
	}
	if !slices.ContainsFunc(w.live(), concerned) {
		return
	}
	w.rewrite(func(e *entry) (p engine.Publication, other bool) {
		if !concerned(*e) {
			return p, false
		}
		return e.publication(w.content(e), new(engine.Author)).Redact(), true
	})
}

// Erase removes the data of the publications of a user (see engine.Publication.Redact), and what they say
// of the user besides the id. It reports whether there were any.
func (w *Window) Erase(user string) bool {
	if !w.Has(user) {
		return false
	}
	w.rewrite(func(e *entry) (p engine.Publication, other bool) {
		if e.op == opGone || e.has&hasAuthor == 0 || e.has&isSkipped != 0 {
			return p, false
		}
		p = e.publication(w.content(e), new(engine.Author))
		if p.From.User != user {
			return p, false
		}
		p = p.Redact()
		p.From = &engine.Author{User: user, Client: p.From.Client}
		return p, true
	})
	return true
}

// Has reports whether a user is the author of a publication in the window.
func (w *Window) Has(user string) bool {
	var author engine.Author
	for i, all := 0, w.live(); i < len(all); i++ {
		if e := &all[i]; e.op != opGone && e.has&hasAuthor != 0 && e.publication(w.content(e), &author).From.User == user {
			return true
		}
	}
	return false
}

// Forget forgets all publications.
func (w *Window) Forget() {
	w.forget(len(w.live()))
	w.floor = w.top
}

// Cost returns the cost of the window in bytes: engine.Cost of each publication, and
// engine.PartCost for each superseded or forgotten event whose place is still there.
func (w *Window) Cost() int64 {
	n := int64(w.gone) * engine.PartCost
	for _, a := range w.kept {
		n += int64(a.n)*engine.PartCost + int64(a.bytes)
	}
	return n
}

// Len returns the number of publications in the window, with those that skip the history, and the
// places of superseded or forgotten events.
func (w *Window) Len() int { return len(w.live()) }

// Floor returns the offset behind which the window has every publication that Trim has not
// forgotten by its limit for events. ok is false before the first Append.
func (w *Window) Floor() (behind uint64, ok bool) { return w.floor, w.top != 0 }
