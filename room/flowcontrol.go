package room

import (
	"container/list"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
)

// flowControl bounds what a room has to sweep. What is published lies in the room's
// logs until every shard has taken it, so a message is let in only while it
// fits below Config.MaxUnswept, together with all that was let in before; one
// that is larger than that, only when nothing else is there. A member's
// message that does not fit stays with netpoll, which counts it and does not
// read the member meanwhile (netpoll.Conn.Again).
//
// Members wait in a queue. Who is at its head is let through when its message
// fits, and not before; others cannot take what it waits for, because nobody
// passes by the queue, and because the bytes of who was let through are
// reserved until it comes. So small messages do not starve a large one, and a
// sweep wakes no more members than there is room for.
//
//	                 fits, nobody waits
//	message ──────────────────────────────────────► admitted ──► engine ──► unswept
//	   │                                               ▲
//	   └──► waiting ──── fits, at the head ──► called ─┘
//
// Guarded by Room.mu.
type flowControl struct {
	admitted uint64 // bytes that the engine has not accepted yet
	reserved uint64 // bytes of members that were called
	waiting  list.List
	senders  map[netpoll.ID]*sender // who waits or was called; nil if nobody ever did
}

// sender is a member whose message netpoll keeps.
type sender struct {
	conn  netpoll.Conn
	size  uint64
	done  func()
	place *list.Element // in flowControl.waiting; nil: it was called
	late  bool          // it was called, and a tick of Hub.recall has passed
}

// frameSize is what a message takes in a log of the plain dialect at most; compressed it
// is less. In the other dialect it takes more, which is seen when it is there.
func frameSize(m engine.Message) uint64 {
	return uint64(ws.HeaderSize(ws.Header{Length: int64(len(m.Data))}) + len(m.Data))
}

// acquire lets a member's message of n bytes in, or keeps it for later: then it
// is not to be published now, and comes again. Who was let in calls release
// once the engine has accepted the message.
func (r *Room) acquire(c netpoll.Conn, n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	s := r.senders[c.ID()]
	r.dropLocked(s)
	if s != nil && s.place == nil || r.waiting.Len() == 0 && r.fitsLocked(n) {
		r.admitted += n
		return true
	}
	if r.senders == nil {
		r.senders = map[netpoll.ID]*sender{}
	}
	s = &sender{conn: c, size: n, done: c.Again()}
	s.place = r.waiting.PushBack(s)
	r.senders[c.ID()] = s
	return false
}

// tryAcquire is acquire for who cannot wait.
func (r *Room) tryAcquire(n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	if r.waiting.Len() > 0 || !r.fitsLocked(n) {
		return false
	}
	r.admitted += n
	return true
}

// release ends what acquire and tryAcquire began: the bytes are in the logs now, or
// will never be; or, with an engine that accepts before it delivers, they are
// on their way, which is the engine's to bound. The engine's done calls it, so
// it must not be called under a lock that Deliver is called under.
func (r *Room) release(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admitted -= n
	r.admitWaitingLocked()
}

// fitsLocked reports whether n bytes more may come in.
func (r *Room) fitsLocked(n uint64) bool { return r.hub.fits(r.takenLocked(), n) }

// takenLocked is how much of MaxUnswept is in use. Between the log and release a
// message counts twice: for that moment others wait rather than too much is
// let in.
func (r *Room) takenLocked() uint64 { return r.unsweptLocked() + r.admitted + r.reserved }

func (h *Hub) fits(taken, n uint64) bool { return taken == 0 || taken+n <= uint64(h.cfg.MaxUnswept) }

// admitWaitingLocked calls as many of those who wait as there is room for. Whatever
// may make room calls it: a sweep's end, the engine's answer, the end of a
// group or of a member that was called.
func (r *Room) admitWaitingLocked() {
	if r.active == nil || r.waiting.Len() == 0 {
		return
	}
	taken := r.takenLocked()
	for e := r.waiting.Front(); e != nil; e = r.waiting.Front() {
		s := e.Value.(*sender)
		if !s.conn.Exists() {
			r.dropLocked(s) // its message is gone
			continue
		}
		if !r.hub.fits(taken, s.size) {
			return
		}
		r.waiting.Remove(e)
		s.place = nil
		r.reserved += s.size
		taken += s.size
		r.hub.called.Add(1)
		s.done()
	}
}

// dropLocked takes a member out of flow control; what it waited for is free.
func (r *Room) dropLocked(s *sender) {
	if s == nil {
		return
	}
	if delete(r.senders, s.conn.ID()); s.place != nil {
		r.waiting.Remove(s.place)
		s.done()
		return
	}
	r.reserved -= s.size
	r.hub.called.Add(-1)
}

// recall takes back, every second, what is reserved for members that were
// called a second ago and did not come: because they are closing, or because
// somebody paused them. Others must not wait for that; if one comes later
// still, it waits anew.
func (h *Hub) recall() {
	if h.called.Load() == 0 {
		return
	}
	for _, r := range h.Rooms() {
		r.mu.Lock()
		if r.active == nil {
			r.mu.Unlock()
			continue
		}
		for _, s := range r.senders {
			if s.place == nil && s.late {
				r.dropLocked(s)
			}
			s.late = s.place == nil
		}
		r.admitWaitingLocked()
		r.mu.Unlock()
	}
}
