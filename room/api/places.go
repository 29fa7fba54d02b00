package api

import (
	"sync"

	"webim/room/budget"
)

// places limits the concurrent requests of one hook, and shares them between owners, which are
// users and addresses. If no place is free, a request waits, and owners take turns: an owner with
// many requests delays those of another owner by at most one request. If the limit of waiting
// requests is reached, the owner with the most of them loses its last one to an owner with fewer.
// So several owners together can take no more from the others than one owner can. Its methods are
// safe for concurrent use.
type places struct {
	limit int // concurrent requests
	share int // concurrent requests of one owner
	lines int // requests that may wait; one owner has at most seven eighths of them, as with limit

	mu      sync.Mutex
	busy    int
	waiting int
	owners  map[budget.Owner]*line
	turns   []budget.Owner // owners with waiting requests, the next owner first
}

// line has the running and waiting requests of one owner.
type line struct {
	busy  int
	queue []waiter
}

// waiter is a request that may wait. start begins the request; refuse says that there is no place
// for it. Exactly one of them is called, once.
type waiter struct{ start, refuse func() }

// waitFactor is how many requests may wait for each place.
const waitFactor = 4

func newPlaces(limit int) *places {
	return &places{limit: limit, share: mostOf(limit), lines: waitFactor * limit, owners: map[budget.Owner]*line{}}
}

// mostOf returns how many of n one owner may have.
func mostOf(n int) int { return max(n-max(n/8, 1), 1) }

// enter calls start or refuse once. It calls start on this goroutine if a place is free; otherwise
// start waits, and a later call of leave calls it. enter calls refuse on this goroutine if the
// request cannot wait; if the request has to make room later, the call of enter that displaces it
// calls refuse. The caller must call leave once for each start. start and refuse must not block.
func (p *places) enter(o budget.Owner, start, refuse func()) {
	p.enterAs(o, waiter{start, refuse})()
}

// enterAs returns the function that the caller must call after the lock is released.
func (p *places) enterAs(o budget.Owner, q waiter) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.owners[o]
	if l == nil {
		l = &line{}
		p.owners[o] = l
	}
	if p.busy < p.limit && l.busy < p.share && len(l.queue) == 0 {
		p.busy++
		l.busy++
		return q.start
	}
	then := func() {}
	if p.waiting >= p.lines || len(l.queue) >= mostOf(p.lines) {
		longest := p.longestLocked()
		if p.waiting < p.lines || longest == nil || len(longest.queue) <= len(l.queue)+1 {
			p.forgetLocked(o, l)
			return q.refuse
		}
		last := len(longest.queue) - 1 // the owner has another waiting request, so it keeps its turn
		then = longest.queue[last].refuse
		longest.queue[last] = waiter{}
		longest.queue = longest.queue[:last]
		p.waiting--
	}
	if len(l.queue) == 0 {
		p.turns = append(p.turns, o)
	}
	l.queue = append(l.queue, q)
	p.waiting++
	return then
}

// longestLocked returns the line of the owner with the most waiting requests, or nil if no request
// waits. The loop is bounded by the limit of waiting requests, because each owner in turns has at
// least one.
func (p *places) longestLocked() (longest *line) {
	for _, o := range p.turns {
		if l := p.owners[o]; longest == nil || len(l.queue) > len(longest.queue) {
			longest = l
		}
	}
	return longest
}

// leave gives a place back and starts the next request.
func (p *places) leave(o budget.Owner) {
	p.mu.Lock()
	l := p.owners[o]
	p.busy--
	l.busy--
	p.forgetLocked(o, l)
	start := p.nextLocked()
	p.mu.Unlock()
	if start != nil {
		start()
	}
}

// nextLocked removes and returns the first request of the next owner that has not reached its
// share. At most one owner can have reached it.
func (p *places) nextLocked() func() {
	for range p.turns {
		o := p.turns[0]
		p.turns = p.turns[1:]
		l := p.owners[o]
		if l.busy >= p.share {
			p.turns = append(p.turns, o)
			continue
		}
		start := l.queue[0].start
		l.queue[0] = waiter{}
		if l.queue = l.queue[1:]; len(l.queue) > 0 {
			p.turns = append(p.turns, o)
		}
		p.waiting--
		p.busy++
		l.busy++
		return start
	}
	return nil
}

func (p *places) forgetLocked(o budget.Owner, l *line) {
	if l.busy == 0 && len(l.queue) == 0 {
		delete(p.owners, o)
	}
}
