package sched

import (
	"sync"
	"time"
)

// Class says on which part of the ready list an item waits. The class of an item must not change
// while the item is queued.
type Class uint8

const (
	Front      Class = iota // before the others
	Heavy                   // behind Front: items that need much time
	Background              // behind all others, and on at most half of the workers
)

// task is an entry of the ready list: a job, or an item if job is nil.
type task[T any] struct {
	item T
	job  *Job
	at   int64 // nanoseconds of the clock when it was queued; 0: not measured
}

// Config holds the settings of a List. All fields are required, except Prompt.
type Config[T any] struct {
	Workers  int                 // the number of goroutines that call Worker.Serve
	Prompt   bool                // callbacks never block: a worker or loop that runs comes back soon
	Now      func() int64        // nanoseconds of a monotonic clock
	Class    func(T) Class       // the class of an item that is to be queued
	Waited   func(time.Duration) // gets the time from queued to taken of one task in 16
	Panicked func(v any)         // gets the value of a job's panic, which ends this run only
}

// List is the ready list. It has three classes, each in order: front goes before heavy, and both go
// before background, except for a share of each. So an item that needs little waits for the turns
// that are running and for others of its class, however many items need much. Jobs wait in front.
// Loops that call Worker.RunReady take items of front, too, as long as there are any.
//
// The wake-up of a thread costs 5 to 10 µs on both sides, and Go wakes one more thread that looks
// for work. For a connection with a turn of 6 µs that was half of the cost. So the list wakes a
// worker only if the ones that run cannot take the work soon; see wakeLocked.
//
// All methods are safe for concurrent use.
type List[T any] struct {
	cfg Config[T]

	mu     sync.Mutex
	cond   sync.Cond
	front  ring[T]
	passed ring[T] // jobs that loops have left to the workers: older than everything in front
	heavy  ring[T]
	back   ring[T]
	parked ring[T] // tasks that wait until Release
	behind int     // workers that run a task of back
	waited uint32  // takes while something was in back
	passes uint32  // takes while something was in heavy
	pushed uint32
	idle   int // workers that wait, or have left
	woken  int // of these, those that have been woken for something
	loops  int // loops that run turns, or will before they wait for events
	closed bool
	held   held          // which tasks wait until Release
	quiet  chan struct{} // is closed when no task runs; nil: nobody waits for that

	worked, counted int64 // nanoseconds that workers were not idle, added up until then
}

// After heavyTurn takes a heavy item goes first, and after backTurn takes one of the background, so
// that a busy list does not starve them.
const (
	heavyTurn = 32
	backTurn  = 64
)

// New makes a list without workers.
func New[T any](cfg Config[T]) *List[T] {
	l := &List[T]{cfg: cfg, counted: cfg.Now()}
	l.cond.L = &l.mu
	return l
}

// Push queues an item whose turn Wake or Done has moved to queued. It wakes a worker if need be.
func (l *List[T]) Push(item T) { l.push(task[T]{item: item}) }

// Wake queues a job, unless it is queued already. The job itself may call it.
func (l *List[T]) Wake(j *Job) {
	if j.turn.Wake() {
		l.push(task[T]{job: j})
	}
}

func (l *List[T]) push(t task[T]) {
	l.mu.Lock()
	wake := l.wakeLocked(l.pushLocked(t), t.job != nil)
	l.mu.Unlock()
	if wake {
		l.cond.Signal()
	}
}

// pushMore is push for a worker that takes the next task itself; see requeue.
func (l *List[T]) pushMore(t task[T]) {
	l.mu.Lock()
	l.pushLocked(t)
	l.mu.Unlock()
}

// PushAll is Push for several items, under one lock.
func (l *List[T]) PushAll(items []T) { l.pushAll(items, false) }

// pushAll queues items. loop says that one more loop will run turns itself.
func (l *List[T]) pushAll(items []T, loop bool) {
	l.mu.Lock()
	if loop {
		l.loopLocked(1)
	}
	wake := 0
	for _, item := range items {
		if l.wakeLocked(l.pushLocked(task[T]{item: item}), false) {
			wake++
		}
	}
	l.mu.Unlock()
	for range wake {
		l.cond.Signal()
	}
}

// pushLocked queues a task, and returns the list on which the task waits.
func (l *List[T]) pushLocked(t task[T]) *ring[T] {
	// The clock costs 40 ns, so the latency is sampled.
	if l.pushed++; l.pushed%16 == 0 {
		t.at = l.cfg.Now()
	}
	list := &l.front
	if l.held != heldNone && l.holdsLocked(t) {
		list = &l.parked
	} else if t.job == nil {
		switch l.cfg.Class(t.item) {
		case Background:
			list = &l.back
		case Heavy:
			list = &l.heavy
		}
	}
	list.push(t)
	return list
}

// take waits for the next task. ok is false once the list is closed. back says that the task is of
// the background; the worker passes it to its next take.
func (l *List[T]) take(last bool) (t task[T], back, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last {
		l.behind--
	}
	for {
		switch {
		case l.back.n > 0 && l.backLocked():
			l.behind++
			return l.popLocked(&l.back), true, true
		case l.heavy.n > 0 && l.heavyLocked():
			return l.popLocked(&l.heavy), false, true
		case l.passed.n > 0:
			return l.popLocked(&l.passed), false, true
		case l.front.n > 0:
			return l.popLocked(&l.front), false, true
		}
		if l.closed && l.back.n == 0 {
			l.idleLocked(1)
			l.cond.Broadcast() // others may have waited for the last of back
			return task[T]{}, false, false
		}
		l.shrinkLocked()
		l.idleLocked(1)
		l.cond.Wait()
		l.woken = max(0, l.woken-1) // all are woken when the list is closed
		l.idleLocked(-1)
	}
}

// popLocked takes the oldest task of a list. It wakes another worker if the items in front need
// one: the caller may have been woken for them, and may now take another task.
func (l *List[T]) popLocked(list *ring[T]) task[T] {
	t := list.pop()
	if l.needyLocked() {
		l.woken++
		l.cond.Signal()
	}
	return t
}

// takeOnLoop is take for the goroutine of a loop, which must not be held up: it leaves jobs, heavy
// items and the background to the workers, and does not wait. If there is nothing for the loop, the
// loop no longer counts as one that runs turns.
func (l *List[T]) takeOnLoop() (t task[T], ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.front.n > 0 {
		if t = l.front.pop(); t.job == nil {
			return t, true
		}
		l.passed.push(t)
	}
	l.shrinkLocked()
	l.loopLocked(-1)
	return task[T]{}, false
}

func (l *List[T]) shrinkLocked() {
	l.front.shrink()
	l.passed.shrink()
	l.heavy.shrink()
	l.back.shrink()
}

// backLocked reports whether a task of the background is next. Such tasks wait for all others and
// have at most half of the workers, so that the rest stays free for others. A worker that ends one
// of them looks for the next, so none waits for ever.
func (l *List[T]) backLocked() bool {
	l.waited++
	return l.behind < max(1, l.cfg.Workers/2) && (l.front.n+l.passed.n+l.heavy.n == 0 || l.waited%backTurn == 0)
}

// heavyLocked reports whether a heavy item is the next to run.
func (l *List[T]) heavyLocked() bool {
	l.passes++
	return l.front.n+l.passed.n == 0 || l.passes%heavyTurn == 0
}

// Close ends the workers once the list is empty.
func (l *List[T]) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cond.Broadcast()
}
