package work

import "webim/room/budget"

// A FollowUp is the work that follows a message, see room.Config.FollowUp.
type FollowUp struct {
	OfCall bool   // a call waits for it, so it takes a slot of its own kind
	Do     func() // the work, which must not panic
	Then   func() // is called when the work is done, or is dropped; it must not block
}

// A line runs the follow-ups of the messages that one payer has sent in one room, one at a time,
// in the order of the messages. Follow-ups tell other users about messages, and these users must learn
// of the messages of an author in their order. Messages of different authors have lines of their own,
// so that no author waits for the slots or the slow follow-ups of another one. Between authors the order
// is not kept: each node runs the follow-ups of its own messages, so it could not be kept anyway.
type line struct {
	runner *Runner
	key    Key
	queue  []FollowUp // the first one runs, or waits for a slot; guarded by Runner.mu
}

// A Key names a line.
type Key struct {
	Room  string
	Payer budget.Owner
}

// maxFollowUps is the maximum number of follow-ups in a line.
const maxFollowUps = 1024

// Follow runs f.Do on a goroutine, after the follow-ups of earlier messages with that key, and then
// calls f.Then. If the line is full, or there is no slot and no place to wait, it calls only f.Then.
// Any goroutine may call it, with no lock held.
func (r *Runner) Follow(key Key, f FollowUp) {
	r.mu.Lock()
	r.followed++
	l := r.lines[key]
	if l == nil {
		l = &line{runner: r, key: key}
		r.lines[key] = l
	}
	if len(l.queue) == maxFollowUps {
		r.mu.Unlock()
		l.refused()
		f.Then()
		return
	}
	l.queue = append(l.queue, f)
	first := len(l.queue) == 1
	r.mu.Unlock()
	if first {
		l.begin(f)
	}
}

// IsIdle reports whether all follow-ups have ended. followed is how many there were so far.
func (r *Runner) IsIdle() (idle bool, followed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.lines) == 0, r.followed
}

// begin runs the first follow-up as soon as there is a slot for it.
func (l *line) begin(f FollowUp) { l.slotsFor(f).Acquire(l.key.Payer, l) }

// slotsFor returns the slots of which a follow-up takes one.
func (l *line) slotsFor(f FollowUp) *budget.Slots {
	if f.OfCall {
		return l.runner.ofCalls
	}
	return l.runner.calls
}

func (l *line) refused() { l.runner.Refused("nobody is notified of a message", l.key.Payer) }

// Start implements budget.Waiter.
func (l *line) Start() { go l.run() }

// Refuse implements budget.Waiter.
func (l *line) Refuse() {
	l.refused()
	l.next(l.first())
}

// run runs the first follow-up.
func (l *line) run() {
	f := l.first()
	defer l.next(f)
	defer l.slotsFor(f).Release(l.key.Payer)
	f.Do()
}

func (l *line) first() FollowUp {
	l.runner.mu.Lock()
	defer l.runner.mu.Unlock()
	return l.queue[0]
}

// next ends the first follow-up and begins the next one.
func (l *line) next(f FollowUp) {
	f.Then()
	r := l.runner
	r.mu.Lock()
	l.queue[0] = FollowUp{}
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		delete(r.lines, l.key)
		r.mu.Unlock()
		return
	}
	second := l.queue[0]
	r.mu.Unlock()
	l.begin(second)
}
