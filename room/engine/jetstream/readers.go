package jetstream

import "errors"

// A reader waits until a history has the publications up to an offset.
type reader struct {
	offset uint64
	call   func(error)
}

// errEnded: the topic has no subscribers any more.
var errEnded = errors.New("jetstream: the topic has ended")

// whenCurrent calls f when the topic has begun and has all publications that this node has made, or with an
// error if that has to be tried again.
func (t *topic) whenCurrent(f func(error)) {
	t.whenBegun(func(err error) {
		t.mu.Lock()
		switch {
		case err != nil:
		case t.ended:
			err = errEnded
		case t.tip.Offset < t.made:
			at := t.made
			t.readers = append(t.readers, reader{at, f})
			t.mu.Unlock()
			t.e.jobs.After(retry, func() { t.reaches(at) }) // it may be lost on the way
			return
		}
		t.mu.Unlock()
		f(err)
	})
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

// hasMade says that this node has made the publication with this offset.
func (t *topic) hasMade(offset uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = max(t.made, offset)
	if !t.began {
		t.upTo = max(t.upTo, offset)
	}
}
