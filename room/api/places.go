package api

import (
	"sync"

	"webim/room/budget"
)

// places are the requests of one hook that may be under way. What finds no place
// waits, and owners take turns: an owner with many questions delays those of others
// by at most one request. When as many wait as may, the owner with the most of them
// gives up its last one for an owner with fewer: so some owners together take no more
// from the others than one does. Methods may be called from any goroutine.
type places struct {
	limit int // requests under way
	share int // of them for one owner
	lines int // questions that may wait; one owner has at most seven eighths, as of limit

	mu      sync.Mutex
	busy    int
	waiting int
	owners  map[budget.Owner]*line
	turns   []budget.Owner // owners whose questions wait, the next one first
}

// line is what one owner has under way and waiting.
type line struct {
	busy  int
	queue []waiter
}

// waiter is a question that may wait: start begins its request, refuse says that there is no
// place for it. One of them is called, once.
type waiter struct{ start, refuse func() }

// waitFactor is how many questions may wait for each place.
const waitFactor = 4

func newPlaces(limit int) *places {
	return &places{limit: limit, share: mostOf(limit), lines: waitFactor * limit, owners: map[budget.Owner]*line{}}
}

// mostOf is what one owner may have of n.
func mostOf(n int) int { return max(n-max(n/8, 1), 1) }

// enter calls start, on this goroutine if there is a place, or later on one that
// calls leave; or refuse, if not even waiting is possible or, later, on a goroutine that
// calls enter. For each start leave must be called once. Neither may block.
func (p *places) enter(o budget.Owner, start, refuse func()) {
	p.enterAs(o, waiter{start, refuse})()
}

// enterAs returns what is to be called now, without the lock.
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
		last := len(longest.queue) - 1 // not its only one, so its owner keeps its turn
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

// longestLocked is the line of the owner with the most questions that wait, nil if none
// does. As many owners wait as questions may, at most.
func (p *places) longestLocked() (longest *line) {
	for _, o := range p.turns {
		if l := p.owners[o]; longest == nil || len(l.queue) > len(longest.queue) {
			longest = l
		}
	}
	return longest
}

// leave gives a place back, and calls whoever is next.
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

// nextLocked takes the first question of the owner whose turn it is and who has
// not the share. At most one owner has it.
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
