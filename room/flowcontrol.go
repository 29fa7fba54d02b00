package room

import (
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
)

// Flow control bounds the bytes that a room has to sweep. A published message stays in the logs of
// the room until every shard has swept it. So a message may be published only if it fits below
// Config.MaxUnswept, together with all bytes that are in use (inUseLocked). A message that is
// larger than MaxUnswept may be published when nothing is in use. If the message of a member does
// not fit, netpoll keeps it, and does not read the member meanwhile (netpoll.Conn.Again): the
// sender waits.
//
// Senders wait in a queue, and nobody overtakes. The first sender is resumed when its message
// fits. Its bytes are then reserved until its message comes again, so that no other message takes
// them. So small messages do not starve a large one, and the end of a sweep resumes only as many
// senders as there is space for.
//
//	                 fits, no sender waits
//	message ───────────────────────────────────────► acquired ──► engine ──► unswept
//	   │                                                ▲
//	   └──► waiting ──── fits, first sender ──► resumed ┘

// frameSize returns the largest number of bytes that a message takes in a log of the plain
// dialect. Compressed it takes less. In the other dialect it takes more, which counts once it is
// in the log.
func frameSize(m engine.Message) uint64 {
	return uint64(ws.HeaderSize(ws.Header{Length: int64(len(m.Data))}) + len(m.Data))
}

// acquire acquires n bytes for the message of a member. If it returns false, the sender waits:
// the message must not be published now, and netpoll will bring it again. If it returns true, the
// caller calls release when the engine has answered.
func (r *Room) acquire(c netpoll.Conn, n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	s := r.senders[c.ID()]
	r.dropSenderLocked(s)
	if s != nil && s.element == nil || r.waiting.Len() == 0 && r.fitsLocked(n) {
		r.acquired += n
		return true
	}
	if r.senders == nil {
		r.senders = map[netpoll.ID]*sender{}
	}
	s = &sender{conn: c, size: n, done: c.Again()}
	s.element = r.waiting.PushBack(s)
	r.senders[c.ID()] = s
	return false
}

// tryAcquire is acquire for publishers that cannot wait.
func (r *Room) tryAcquire(n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	if r.waiting.Len() > 0 || !r.fitsLocked(n) {
		return false
	}
	r.acquired += n
	return true
}

// release releases bytes that acquire or tryAcquire has acquired. The message is in the logs now,
// or will never be. With an engine that accepts a message before it delivers it, the message is
// on its way, and the engine has to bound such messages. The done of Engine.Publish calls
// release, with no lock held under which the engine calls Deliver.
func (r *Room) release(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acquired -= n
	r.resumeSendersLocked()
}

// fitsLocked reports whether n more bytes fit.
func (r *Room) fitsLocked(n uint64) bool { return r.hub.fits(r.inUseLocked(), n) }

// inUseLocked returns how many bytes of MaxUnswept are in use. Between Deliver and release a
// message counts twice, so that for this moment other senders wait, rather than too much is
// published.
func (r *Room) inUseLocked() uint64 { return r.unsweptLocked() + r.acquired + r.resumed }

func (h *Hub) fits(taken, n uint64) bool {
	return taken == 0 || taken+n <= uint64(h.Config().MaxUnswept)
}

// resumeSendersLocked resumes waiting senders, in their order, as long as their messages fit. It
// is called whenever bytes may have become free: at the end of a sweep, at the engine's answer,
// and when a member or a group ends.
func (r *Room) resumeSendersLocked() {
	if r.active == nil || r.waiting.Len() == 0 {
		return
	}
	taken := r.inUseLocked()
	for e := r.waiting.Front(); e != nil; e = r.waiting.Front() {
		s := e.Value.(*sender)
		if !s.conn.Exists() {
			r.dropSenderLocked(s) // its connection is closed, and its message dropped
			continue
		}
		if !r.hub.fits(taken, s.size) {
			return
		}
		r.waiting.Remove(e)
		s.element = nil
		r.resumed += s.size
		taken += s.size
		r.hub.resumedSenders.Add(1)
		s.done()
	}
}

// dropSenderLocked removes a sender from flow control, and frees the bytes that are reserved for
// it.
func (r *Room) dropSenderLocked(s *sender) {
	if s == nil {
		return
	}
	if delete(r.senders, s.conn.ID()); s.element != nil {
		r.waiting.Remove(s.element)
		s.done()
		return
	}
	r.resumed -= s.size
	r.hub.resumedSenders.Add(-1)
}

// reclaimResumed is called every second. It frees the bytes of senders that were resumed at least
// a second ago and did not come, because they are closing, or because their connections are
// paused. Other senders must not wait for them. If such a sender comes later, it waits again.
func (h *Hub) reclaimResumed() {
	if h.resumedSenders.Load() == 0 {
		return
	}
	for _, r := range h.Rooms() {
		r.mu.Lock()
		if r.active == nil {
			r.mu.Unlock()
			continue
		}
		for _, s := range r.senders {
			if s.element == nil && s.overdue {
				r.dropSenderLocked(s)
			}
			s.overdue = s.element == nil
		}
		r.resumeSendersLocked()
		r.mu.Unlock()
	}
}
