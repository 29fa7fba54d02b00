package room

import (
	"container/heap"
	"sync"
	"time"
)

// timers are the calls that are to be made at some time. They are looked at each second.
// No timer is ever taken out early: a call that is no longer due does nothing. The zero
// value is ready.
type timers struct {
	mu   sync.Mutex
	heap timerHeap
}

type timer struct {
	at time.Time
	do func()
}

type timerHeap []timer

// Len implements heap.Interface, as the others.
func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = timer{}
	if *h = (*h)[:last]; last == 0 {
		*h = nil // a crowd that came at once is over
	}
	return x
}

// At calls f on a worker at some time, up to a second late. It may be called from any
// goroutine, with any lock held but that of the timers.
func (h *Hub) At(at time.Time, f func()) {
	t := &h.timers
	t.mu.Lock()
	heap.Push(&t.heap, timer{at, f})
	t.mu.Unlock()
}

// run makes the calls that are due.
func (t *timers) run() {
	now := time.Now()
	for {
		t.mu.Lock()
		if len(t.heap) == 0 || t.heap[0].at.After(now) {
			t.mu.Unlock()
			return
		}
		first := heap.Pop(&t.heap).(timer)
		t.mu.Unlock()
		first.do()
	}
}

// lookAgain is how far ahead an expiry is put on the list at most. A token may be
// good for a year, and its connection for a second: what a client that comes
// and goes leaves on the list is gone after this time.
const lookAgain = 10 * time.Second

// Soonest is when to look at something that ends at some time, which may be far away: then
// it is ten seconds from now, so that nothing stays on the list that is over.
func Soonest(at time.Time) time.Time {
	if next := time.Now().Add(lookAgain); at.After(next) {
		return next
	}
	return at
}
