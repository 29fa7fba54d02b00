package room

import (
	"slices"

	"webim/netpoll"
)

// senders are those whose message did not fit into what a room may have
// unswept. Each waits with its message, which netpoll keeps and counts, and
// goes on when there is room, first come first served. Guarded by Room.mu.
type senders struct {
	waiting  []sender
	admitted map[netpoll.ID]int // bytes promised to those that go on
	promised int
}

type sender struct {
	id   netpoll.ID
	size int
	goOn func()
}

// admits decides whether a message may be published now. If not, its
// connection waits, and the message comes again.
func (r *Room) admits(c netpoll.Conn, size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.senders
	if n, ok := w.admitted[c.ID()]; ok {
		w.promised -= n
		delete(w.admitted, c.ID())
		return true
	}
	if len(w.waiting) == 0 && r.fitsLocked(size) {
		return true
	}
	w.waiting = append(w.waiting, sender{c.ID(), size, c.Again()})
	return false
}

// fitsLocked: what is larger than the bound goes alone.
func (r *Room) fitsLocked(size int) bool {
	before := int(r.unsweptLocked()) + r.senders.promised
	return before == 0 || before+size <= r.hub.cfg.MaxUnswept
}

// releaseLocked lets as many senders go on as fit.
func (r *Room) releaseLocked() {
	w := &r.senders
	n := 0
	for _, s := range w.waiting {
		if !r.fitsLocked(s.size) {
			break
		}
		if w.admitted == nil {
			w.admitted = map[netpoll.ID]int{}
		}
		w.admitted[s.id] = s.size
		w.promised += s.size
		s.goOn()
		n++
	}
	if w.waiting = slices.Delete(w.waiting, 0, n); len(w.waiting) == 0 {
		w.waiting = nil
	}
}

// forget is for a connection that has left: nobody waits for it.
func (w *senders) forget(id netpoll.ID) {
	if n, ok := w.admitted[id]; ok {
		w.promised -= n
		delete(w.admitted, id)
	}
	w.waiting = slices.DeleteFunc(w.waiting, func(s sender) bool { return s.id == id })
}
