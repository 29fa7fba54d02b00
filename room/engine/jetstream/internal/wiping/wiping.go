package wiping

import (
	"slices"
	"sync"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
)

// List has the removals of a node. The zero value is ready. All methods are safe for concurrent use.
type List struct {
	mu      sync.Mutex
	young   map[engine.Key]bool // came after the last Take
	old     map[engine.Key]bool // came before it, and are in the next
	left    map[cuts.Key]uint64 // cuts of which something was left, and the first offset of that
	turns   []cuts.Key          // the rooms to wipe
	running bool                // a job wipes them
}

// Note remembers to look after a cut or a stub.
func (l *List) Note(k engine.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.young == nil {
		l.young = map[engine.Key]bool{}
	}
	l.young[k] = true
}

// Take returns the cuts and stubs that are to be looked at now: those that came before the last Take, and the cuts of which
// something was left.
func (l *List) Take() (all map[engine.Key]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, l.old, l.young = l.old, l.young, nil
	if all == nil {
		all = map[engine.Key]bool{}
	}
	for k := range l.left {
		all[k.Entry()] = true
	}
	return all
}

// Left notes the first offset of which a message is left before a cut; 0: none. It reports whether it is the same as when it was
// last noted: then nobody overwrites these messages any more.
func (l *List) Left(k cuts.Key, first uint64) (stuck bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first == 0 {
		delete(l.left, k)
		return false
	}
	was, known := l.left[k]
	if l.left == nil {
		l.left = map[cuts.Key]uint64{}
	}
	l.left[k] = first
	return known && first == was
}

// Add gives a room a turn, unless it has one. start is true if a job has to begin: it calls Next until that has none.
func (l *List) Add(k cuts.Key) (start bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.turns, k) {
		return false
	}
	l.turns = append(l.turns, k)
	start = !l.running
	l.running = true
	return start
}

// Next takes the room whose turn it is. If there is none, the job ends.
func (l *List) Next() (k cuts.Key, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running = len(l.turns) > 0; !l.running {
		return k, false
	}
	k = l.turns[0]
	l.turns = l.turns[1:]
	return k, true
}

// Again gives a room that Next has returned another turn, after the others.
func (l *List) Again(k cuts.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turns = append(l.turns, k)
}
