package jetstream

import (
	"slices"

	"webim/room/engine"
)

// takeLocked delivers the next publication. The error is codec.ErrKey if that has to wait for the author's key. It
// decodes under the lock, so that a publication of a user who was erased meanwhile is not delivered.
func (t *topic) takeLocked(seq uint64, data []byte) error {
	p, at, err := t.e.codec.Decode(t.room, seq, data, false)
	if err != nil {
		return err
	}
	p.Prev = t.tip.Offset
	t.tip = at
	t.redactComingLocked(&p)
	t.recent.Append(&p, t.e.keepOf(t.room, nil))
	for _, s := range t.subs {
		s.Deliver(p)
	}
	t.answerLocked()
	return nil
}

// redactComingLocked removes the data from a publication that was redacted while it was on its way.
func (t *topic) redactComingLocked(p *engine.Publication) {
	if len(t.coming) == 0 {
		return
	}
	if !p.Skip && slices.Contains(t.coming, p.Offset) {
		*p = p.Redact()
	}
	t.coming = slices.DeleteFunc(t.coming, func(offset uint64) bool { return offset <= p.Offset })
}

// answerLocked calls the readers that have waited for the publications that are delivered now.
func (t *topic) answerLocked() {
	n := 0
	for n < len(t.readers) && t.readers[n].offset <= t.tip.Offset { // their offsets only grow
		n++
	}
	t.callLocked(n, nil)
}

// callLocked lets a job call the first n readers: they must not be called with the lock held.
func (t *topic) callLocked(n int, err error) {
	if n == 0 {
		return
	}
	ready := t.readers[:n]
	if t.readers = t.readers[n:]; len(t.readers) == 0 {
		t.readers = nil
	}
	t.e.jobs.Go(func() {
		for _, r := range ready {
			r.call(err)
		}
	})
}

// subscribe adds a subscriber. It reports false if the topic has ended.
func (t *topic) subscribe(s engine.Subscriber) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.subs = append(slices.Clip(t.subs), s)
	if t.began {
		s.Begin(t.topLocked())
	}
	return true
}

// unsubscribe removes a subscriber. It reports whether the topic has ended.
func (t *topic) unsubscribe(s engine.Subscriber) (ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(other engine.Subscriber) bool { return other == s })
	if t.ended = len(t.subs) == 0; t.ended {
		t.recent.Leave()
		t.callLocked(len(t.readers), errEnded)
	}
	return t.ended
}

// notice passes a notice on.
func (t *topic) notice(n engine.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.subs {
		s.Notify(n)
	}
}
