package notices

import (
	"sync"
	"time"

	"webim/room/engine"
)

// Delays has the leaves that no room was told yet, because the clients may come back. Start comes first.
// The methods are safe for concurrent use.
type Delays struct {
	delay func() time.Duration
	tell  func(room string, n engine.Notice)
	post  func(func())
	at    func(time.Time, func())

	mu      sync.Mutex
	pending map[roomClient]*leave
}

// leave is a leave that waits.
type leave struct {
	engine.Notice
	due time.Time
}

// roomClient is a client in a room.
type roomClient struct{ room, client string }

// Start sets the function that says how long a leave waits (negative: not at all), the function that tells a room, and the
// functions that call another function soon and at a time, with no lock held.
func (d *Delays) Start(delay func() time.Duration, tell func(room string, n engine.Notice), post func(func()), at func(time.Time, func())) {
	d.delay, d.tell, d.post, d.at = delay, tell, post, at
}

// Notify tells a room that a client joined, or after the delay that it left. If the client joins again
// before, neither the leave nor the join is told.
func (d *Delays) Notify(room string, n engine.Notice) {
	delay := d.delay()
	if delay < 0 {
		d.post(func() { d.tell(room, n) })
		return
	}
	v := roomClient{room, n.Who.Client}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !n.Left {
		if _, here := d.pending[v]; here {
			delete(d.pending, v)
			return
		}
		d.post(func() { d.tell(room, n) })
		return
	}
	d.waitLocked(v, &leave{n, time.Now().Add(delay)})
}

// waitLocked tells of a leave when it is due, unless the client has come back or has left once more. d.mu is held.
func (d *Delays) waitLocked(v roomClient, l *leave) {
	if d.pending == nil {
		d.pending = map[roomClient]*leave{}
	}
	d.pending[v] = l
	d.at(l.due, func() {
		d.mu.Lock()
		over := d.pending[v] == l
		if over {
			delete(d.pending, v)
		}
		d.mu.Unlock()
		if over {
			d.tell(v.room, l.Notice)
		}
	})
}

// Waiting returns how many leaves wait.
func (d *Delays) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending)
}
