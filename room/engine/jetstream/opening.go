package jetstream

import "webim/room/engine/jetstream/internal/codec"

// load begins to receive, and finds the position at which the topic begins.
func (t *topic) load() {
	if t.isEnded() {
		t.answer(nil) // a message of a member that has left is published
		return
	}
	err := t.e.ready(t.class)
	if err == nil {
		err = t.listen()
	}
	var at codec.Tip
	epoch := ""
	if err == nil {
		epoch, _ = t.e.epochOf(t.class, t.room)
		// The server handles the commands of a connection in order: it knows that this node listens before it
		// answers. So whatever is stored after the answer is sent, or is seen to be missing.
		// If the answer is from a server that is behind, the topic begins at an older publication, and delivers those of other nodes
		// that follow as new ones: when the next one comes, or with the next sweep. Members get each of them once, in order.
		at, err = t.e.logOf(t.class, t.room).Last()
		at = t.e.noOlder(t.room, epoch, at)
	}
	if err != nil {
		t.e.failed("a room cannot be opened", t.room, err)
		t.answer(err)
		t.e.jobs.After(retry, t.load) // not before: two jobs must not answer at the same time
		return
	}
	t.mu.Lock()
	opened := t.openLocked(epoch, at)
	t.mu.Unlock()
	if !opened {
		t.e.jobs.Go(t.load)
		return
	}
	t.answer(nil)
}

// openLocked begins at the end of the log, or where the subscriber has been in another process: then it reads the publications
// behind that. epoch and the result are those of beginLocked.
func (t *topic) openLocked(epoch string, end codec.Tip) bool {
	at := end
	if from := t.resumes; from != nil && from.Epoch == epoch && from.Offset != end.Offset {
		at = codec.Tip{Offset: from.Offset}
	}
	if !t.beginLocked(epoch, at, 0) {
		return false
	}
	t.resumes = nil
	if t.upTo = max(t.upTo, end.Offset); t.upTo > at.Offset {
		t.catchUpLocked()
	}
	return true
}

// whenBegun calls f when the topic has begun, or with an error if that has to be tried again. The calls are in the
// order of the callers.
func (t *topic) whenBegun(f func(error)) {
	t.mu.Lock()
	if t.opensLocked() {
		t.waiting = append(t.waiting, f)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	f(nil)
}

// opens reports whether whenBegun would wait.
func (t *topic) opens() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.opensLocked()
}

func (t *topic) opensLocked() bool { return !t.began && !t.ended || len(t.waiting) > 0 }

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

// answer calls those that wait for the beginning.
func (t *topic) answer(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting.Call(&t.mu, err, nil)
}

// listen makes the server send the room's publications.
func (t *topic) listen() error {
	t.mu.Lock()
	over := t.sub != nil || t.ended
	t.mu.Unlock()
	if over {
		return nil
	}
	// The library waits while it writes, so the lock is not held.
	sub, err := t.e.nc.ChanSubscribe(t.live, t.e.inbox.C)
	if err != nil {
		return err
	}
	t.mu.Lock()
	if over = t.ended; !over {
		t.sub = sub
	}
	t.mu.Unlock()
	if over {
		_ = sub.Unsubscribe() // it fails if the connection is closed, which ends it too
	}
	return nil
}

// unload ends the subscription of a topic that has ended.
func (t *topic) unload() {
	t.mu.Lock()
	sub := t.sub
	t.sub = nil
	t.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // it fails if the connection is closed, which ends it too
	}
}
