package budget

import "sync"

// A Slots bounds work that runs at the same time, such as requests to a backend, and shares it
// fairly between owners. If no slot is free, the work waits. Owners take turns, so an owner with
// much waiting work delays the work of another owner by at most one piece. If the limit of waiting
// work is reached, the owner with the most of it loses its last piece to an owner with less. So
// several owners together can take no more from the others than one owner can.
//
// All methods are safe for concurrent use.
type Slots struct {
	mu    sync.Mutex
	limit int // work that runs
	share int // of one owner
	lines int // work that may wait; one owner has at most seven eighths of it, as with limit
	most  int // work that may be suspended

	drained sync.Cond // signalled when a closed Slots has no more work
	busy    int
	away    int // see Suspend
	waiting int
	closed  bool
	owners  map[Owner]*line
	turns   []Owner // owners with waiting work, the next owner first
}

// A Waiter is a piece of work that may have to wait. Exactly one of its methods is called, once.
// They must not block.
type Waiter interface {
	Start()  // the work has a slot: whoever did it calls Release
	Refuse() // there is no slot for it, and no place to wait
}

// line has the running and waiting work of one owner.
type line struct {
	busy  int
	queue []Waiter
}

// WaitFactor is how many calls, or requests to a hook, may wait for each slot.
const WaitFactor = 4

// NewSlots returns limit slots. At most waiting pieces of work wait for a slot, of which one owner has seven
// eighths, and at most suspended pieces are suspended at a time.
func NewSlots(limit, waiting, suspended int) *Slots {
	s := &Slots{owners: map[Owner]*line{}}
	s.drained.L = &s.mu
	s.resizeLocked(limit, waiting, suspended)
	return s
}

// Resize changes the numbers of NewSlots. Work that runs, waits or is suspended stays, also above the new
// numbers. Work that may start now starts on this goroutine.
func (s *Slots) Resize(limit, waiting, suspended int) {
	var start []Waiter
	s.mu.Lock()
	s.resizeLocked(limit, waiting, suspended)
	for next := s.nextLocked(); next != nil; next = s.nextLocked() {
		start = append(start, next)
	}
	s.mu.Unlock()
	for _, w := range start {
		w.Start()
	}
}

func (s *Slots) resizeLocked(limit, waiting, suspended int) {
	s.limit, s.share, s.lines, s.most = limit, mostOf(limit), waiting, suspended
}

// mostOf returns how many of n one owner may have.
func mostOf(n int) int { return max(n-max(n/8, 1), 1) }

// Acquire calls w.Start on this goroutine if a slot is free; otherwise w waits, and a later call of
// Release starts it. If w cannot wait, Acquire calls w.Refuse on this goroutine. If w waits and has
// to make room later, the call of Acquire that displaces it refuses it.
func (s *Slots) Acquire(o Owner, w Waiter) {
	start, refuse := s.acquire(o, w)
	if start != nil {
		start.Start()
	}
	if refuse != nil {
		refuse.Refuse()
	}
}

// acquire returns the work that the caller must start or refuse after the lock is released.
func (s *Slots) acquire(o Owner, w Waiter) (start, refuse Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, w
	}
	l := s.lineLocked(o)
	if s.busy < s.limit && l.busy < s.share && len(l.queue) == 0 {
		s.busy++
		l.busy++
		return w, nil
	}
	if s.waiting >= s.lines || len(l.queue) >= mostOf(s.lines) {
		longest := s.longestLocked()
		if s.waiting < s.lines || longest == nil || len(longest.queue) <= len(l.queue)+1 {
			s.forgetLocked(o, l)
			return nil, w
		}
		last := len(longest.queue) - 1 // the owner has other waiting work, so it keeps its turn
		refuse = longest.queue[last]
		longest.queue[last] = nil
		longest.queue = longest.queue[:last]
		s.waiting--
	}
	if len(l.queue) == 0 {
		s.turns = append(s.turns, o)
	}
	l.queue = append(l.queue, w)
	s.waiting++
	return nil, refuse
}

func (s *Slots) lineLocked(o Owner) *line {
	l := s.owners[o]
	if l == nil {
		l = &line{}
		s.owners[o] = l
	}
	return l
}

// longestLocked returns the line of the owner with the most waiting work, or nil if none waits. The
// loop is bounded by the limit of waiting work, because each owner in turns has at least one piece.
func (s *Slots) longestLocked() (longest *line) {
	for _, o := range s.turns {
		if l := s.owners[o]; longest == nil || len(l.queue) > len(longest.queue) {
			longest = l
		}
	}
	return longest
}

// Release gives a slot back and starts the next work.
func (s *Slots) Release(o Owner) {
	s.mu.Lock()
	next := s.releaseLocked(o)
	s.mu.Unlock()
	if next != nil {
		next.Start()
	}
}

func (s *Slots) releaseLocked(o Owner) (next Waiter) {
	l := s.owners[o]
	s.busy--
	l.busy--
	s.forgetLocked(o, l)
	if s.closed && s.busy+s.away == 0 {
		s.drained.Broadcast()
	}
	return s.nextLocked()
}

// Suspend gives a slot back while its work waits. It reports false, and the work keeps the slot, if
// too much work is suspended. Resume takes a slot again, even if none is free: work that has begun
// is not refused.
func (s *Slots) Suspend(o Owner) bool {
	s.mu.Lock()
	if s.away >= s.most {
		s.mu.Unlock()
		return false
	}
	s.away++
	next := s.releaseLocked(o)
	s.mu.Unlock()
	if next != nil {
		next.Start()
	}
	return true
}

// Resume ends Suspend, if that has reported true.
func (s *Slots) Resume(o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away--
	s.busy++
	s.lineLocked(o).busy++
}

// Close refuses all work that waits or comes later, and returns when none runs any more.
func (s *Slots) Close() {
	var refused []Waiter
	s.mu.Lock()
	s.closed = true
	for _, o := range s.turns {
		l := s.owners[o]
		refused = append(refused, l.queue...)
		l.queue = nil
		s.forgetLocked(o, l)
	}
	s.turns, s.waiting = nil, 0
	s.mu.Unlock()
	for _, w := range refused {
		w.Refuse()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy+s.away > 0 {
		s.drained.Wait()
	}
}

// nextLocked removes and returns the first work of the next owner that has not reached its share.
// At most one owner can have reached it.
func (s *Slots) nextLocked() Waiter {
	if s.busy >= s.limit {
		return nil // work has been resumed
	}
	for range s.turns {
		o := s.turns[0]
		s.turns = s.turns[1:]
		l := s.owners[o]
		if l.busy >= s.share {
			s.turns = append(s.turns, o)
			continue
		}
		next := l.queue[0]
		l.queue[0] = nil
		if l.queue = l.queue[1:]; len(l.queue) > 0 {
			s.turns = append(s.turns, o)
		}
		s.waiting--
		s.busy++
		l.busy++
		return next
	}
	return nil
}

func (s *Slots) forgetLocked(o Owner, l *line) {
	if l.busy == 0 && len(l.queue) == 0 {
		delete(s.owners, o)
	}
}
