package timers

import (
	"container/heap"
	"sync"
	"time"
)

// A List holds the functions that are to be called later. A function cannot be removed early: if it is
// no longer needed when it is called, it does nothing. The zero value is ready. The methods are safe
// for concurrent use.
type List struct {
	mu   sync.Mutex
	heap timers
}

type timer struct {
	at time.Time
	do func()
}

// timers is a heap.Interface, the earliest timer first.
type timers []timer

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timers) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timers) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timers) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = timer{}
	if *h = (*h)[:last]; last == 0 {
		*h = nil // frees the memory of many timers that came at once
	}
	return x
}

// At makes Run call f at the given time. The caller may hold any lock.
func (l *List) At(at time.Time, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heap.Push(&l.heap, timer{at, f})
}

// Run calls the functions that are due, with no lock held. The owner of the list calls it once a
// second.
func (l *List) Run() {
	now := time.Now()
	for {
		l.mu.Lock()
		if len(l.heap) == 0 || l.heap[0].at.After(now) {
			l.mu.Unlock()
			return
		}
		first := heap.Pop(&l.heap).(timer)
		l.mu.Unlock()
		first.do()
	}
}

// Times returns the times of all functions that are still to be called, in no order.
func (l *List) Times() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]time.Time, len(l.heap))
	for i, one := range l.heap {
		all[i] = one.at
	}
	return all
}

// LookAgain is how far ahead Soonest looks.
const LookAgain = 10 * time.Second

// Soonest returns the time at which to check something that ends at the given time: that time, or ten
// seconds from now if it is later. A token may be valid for a year while its connection lives for a
// second. With Soonest, such a connection stays in the list for ten seconds and not for a year.
func Soonest(at time.Time) time.Time {
	if next := time.Now().Add(LookAgain); at.After(next) {
		return next
	}
	return at
}
