package room

import (
	"context"

	"webim/room/budget"
)

// A followUp is the work that follows a message, see Config.FollowUp.
type followUp struct {
	ofCall bool                  // a call waits for it, so it takes a slot of work.ofCalls
	do     func(context.Context) // the work
	then   func()                // is called when the work is done, or is dropped
}

// A followUpLine runs the follow-ups of the messages that one payer has sent in one room, one at a time,
// in the order of the messages. Follow-ups tell other users about messages, and these users must learn
// of the messages of an author in their order. Messages of different authors have lines of their own,
// so that no author waits for the slots or the slow follow-ups of another one. Between authors the order
// is not kept: each node runs the follow-ups of its own messages, so it could not be kept anyway.
type followUpLine struct {
	hub   *Hub
	key   followUpKey
	queue []followUp // the first one runs, or waits for a slot; guarded by work.mu
}

// followUpKey names a line.
type followUpKey struct {
	room  string
	payer budget.Owner
}

// maxFollowUps is the maximum number of follow-ups in a line.
const maxFollowUps = 1024

// addFollowUp runs f.do on a goroutine, after the follow-ups of earlier messages with that key, and then
// calls f.then. If the line is full, or there is no slot and no place to wait, it calls only f.then.
func (h *Hub) addFollowUp(key followUpKey, f followUp) {
	w := h.work
	w.mu.Lock()
	line := w.followUps[key]
	if line == nil {
		line = &followUpLine{hub: h, key: key}
		w.followUps[key] = line
	}
	if len(line.queue) == maxFollowUps {
		w.mu.Unlock()
		h.refusedWork("nobody is notified of a message", key.payer)
		f.then()
		return
	}
	line.queue = append(line.queue, f)
	first := len(line.queue) == 1
	w.mu.Unlock()
	if first {
		line.begin(f)
	}
}

// begin runs the first follow-up as soon as there is a slot for it.
func (l *followUpLine) begin(f followUp) { l.slotsFor(f).Acquire(l.key.payer, l) }

// slotsFor returns the slots of which a follow-up takes one.
func (l *followUpLine) slotsFor(f followUp) *budget.Slots {
	if f.ofCall {
		return l.hub.work.ofCalls
	}
	return l.hub.work.slots
}

// Start implements budget.Waiter.
func (l *followUpLine) Start() { go l.run() }

// Refuse implements budget.Waiter.
func (l *followUpLine) Refuse() {
	l.hub.refusedWork("nobody is notified of a message", l.key.payer)
	l.next(l.first())
}

// run runs the first follow-up.
func (l *followUpLine) run() {
	f := l.first()
	defer l.next(f)
	defer l.slotsFor(f).Release(l.key.payer)
	l.hub.runFollowUp(f.do)
}

// runFollowUp runs a follow-up. If it panics, nothing else ends: the message has been published.
func (h *Hub) runFollowUp(do func(context.Context)) {
	defer h.server.Recovered("work that follows a message")
	do(h.work.ctx)
}

func (l *followUpLine) first() followUp {
	w := l.hub.work
	w.mu.Lock()
	defer w.mu.Unlock()
	return l.queue[0]
}

// next ends the first follow-up and begins the next one.
func (l *followUpLine) next(f followUp) {
	f.then()
	w := l.hub.work
	w.mu.Lock()
	l.queue[0] = followUp{}
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		delete(w.followUps, l.key)
		w.mu.Unlock()
		return
	}
	second := l.queue[0]
	w.mu.Unlock()
	l.begin(second)
}
