package netpoll

import (
	"sync"
	"time"

	"webim/netpoll/internal/wheel"
)

// task is an entry of the ready list: a connection or a user's turn.
type task struct {
	r  *record
	t  *Turn
	at int64 // nanoseconds of the clock when it was queued; 0: not measured
}

// pool is the ready list and the workers that take from it. The list has three classes, each in
// order: front goes before heavy, and both go before background, except for a share of each. So the
// message of a connection that needs little waits for the turns that are running and for others of
// its class, however many connections need much. With Config.RunOnLoop the loops take connections
// of front, too, as long as there are any.
//
// The wake-up of a thread costs 5 to 10 µs on both sides, and Go wakes one more thread that looks
// for work. For a connection with a turn of 6 µs that was half of the cost. So the pool wakes a
// worker only if the ones that run cannot take the work soon; see wakeLocked.
type pool struct {
	clock   *wheel.Clock
	latency Histogram // of tasks, from queued to taken
	workers int
	prompt  bool // Config.RunOnLoop: a turn that runs ends soon

	mu     sync.Mutex
	cond   sync.Cond
	front  ring
	passed ring   // turns of users that loops have left to the workers: older than everything in front
	heavy  ring   // of connections that need much time, see Server.weigh
	back   ring   // of connections that a Meter has put into the background
	behind int    // workers that run a task of back
	waited uint32 // takes while something was in back
	passes uint32 // takes while something was in heavy
	pushed uint32
	idle   int // workers that wait, or have left
	woken  int // of these, those that have been woken for something
	loops  int // loops that run turns, or will before they wait for events
	closed bool

	worked, counted int64 // nanoseconds that workers were not idle, added up until then
}

// After heavyTurn takes a heavy connection goes first, and after backTurn takes one of the
// background, so that a busy server does not starve them.
const (
	heavyTurn = 32
	backTurn  = 64
)

func newPool(c *wheel.Clock, workers int, prompt bool) *pool {
	p := &pool{clock: c, workers: workers, prompt: prompt, counted: c.Nanos()}
	p.cond.L = &p.mu
	return p
}

// push queues one task, and wakes a worker if need be.
func (p *pool) push(t task) {
	p.mu.Lock()
	p.pushLocked(t)
	wake := p.wakeLocked(t)
	p.mu.Unlock()
	if wake {
		p.cond.Signal()
	}
}

// pushMore is push for a worker that takes the next task itself; see requeue.
func (p *pool) pushMore(t task) {
	p.mu.Lock()
	p.pushLocked(t)
	p.mu.Unlock()
}

// pushAll queues the connections that a loop's events have made ready. runs says that the loop will
// run turns itself, before that it has said so earlier.
func (p *pool) pushAll(tasks []task, runs, before bool) {
	p.mu.Lock()
	if runs && !before {
		p.loopLocked(1)
	}
	wake := 0
	for _, t := range tasks {
		p.pushLocked(t)
		if p.wakeLocked(t) {
			wake++
		}
	}
	p.mu.Unlock()
	for range wake {
		p.cond.Signal()
	}
}

func (p *pool) pushLocked(t task) {
	// The clock costs 40 ns, so the latency is sampled.
	if p.pushed++; p.pushed%16 == 0 {
		t.at = p.clock.Nanos()
	}
	p.listOf(t).push(t)
}

// listOf returns the list that a task waits on.
func (p *pool) listOf(t task) *ring {
	if t.r == nil {
		return &p.front
	}
	switch f := t.r.flags.Load(); {
	case f&fBackground != 0:
		return &p.back
	case f&fHeavy != 0:
		return &p.heavy
	}
	return &p.front
}

// wakeLocked decides whether a worker is woken for a task that has just been queued, and counts the
// worker as woken. For the turn of a user, which may take a millisecond, for a heavy connection and
// for the background, a worker is woken at once.
func (p *pool) wakeLocked(t task) bool {
	if p.idle == p.woken || t.r != nil && p.listOf(t) == &p.front && !p.needyLocked() {
		return false
	}
	p.woken++
	return true
}

// needyLocked reports whether the connections in front need one more worker. With prompt callbacks
// they wait for the workers and loops that run, unless too many connections wait. Otherwise a
// worker that runs may never come back. So no connection waits while a worker is idle, unless one
// is on its way, which looks again when it has taken the first.
func (p *pool) needyLocked() bool {
	return p.idle > p.woken && p.front.n > 0 &&
		(!p.prompt && p.woken == 0 || tooMany(p.front.n, p.workers-p.idle+p.woken+p.loops))
}

// soonTasks is the number of connections that may wait for each worker and loop that runs: some
// half a millisecond's work.
const soonTasks = 64

// tooMany reports whether runners cannot take so many tasks soon.
func tooMany(tasks, runners int) bool { return tasks > soonTasks*runners }

// take waits for the next task. ok is false once the pool is closed. back says that the task is of
// the background; the worker passes it to its next take.
func (p *pool) take(last bool) (t task, back, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last {
		p.behind--
	}
	for {
		switch {
		case p.back.n > 0 && p.backLocked():
			p.behind++
			return p.popLocked(&p.back), true, true
		case p.heavy.n > 0 && p.heavyLocked():
			return p.popLocked(&p.heavy), false, true
		case p.passed.n > 0:
			return p.popLocked(&p.passed), false, true
		case p.front.n > 0:
			return p.popLocked(&p.front), false, true
		}
		if p.closed && p.back.n == 0 {
			p.idleLocked(1)
			p.cond.Broadcast() // others may have waited for the last of back
			return task{}, false, false
		}
		p.shrinkLocked()
		p.idleLocked(1)
		p.cond.Wait()
		p.woken = max(0, p.woken-1) // all are woken when the pool is closed
		p.idleLocked(-1)
	}
}

// popLocked takes the oldest task of a list. It wakes another worker if the connections in front
// need one: the caller may have been woken for them, and may now take another task.
func (p *pool) popLocked(list *ring) task {
	t := list.pop()
	if p.needyLocked() {
		p.woken++
		p.cond.Signal()
	}
	return t
}

// takeOnLoop is take for a loop's goroutine, which must not be held up: it leaves the turns of
// users, heavy connections and the background to the workers, and does not wait. If there is
// nothing for the loop, the loop no longer counts as one that runs turns.
func (p *pool) takeOnLoop() (t task, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.front.n > 0 {
		if t = p.front.pop(); t.r != nil {
			return t, true
		}
		p.passed.push(t)
	}
	p.shrinkLocked()
	p.loopLocked(-1)
	return task{}, false
}

func (p *pool) shrinkLocked() {
	p.front.shrink()
	p.passed.shrink()
	p.heavy.shrink()
	p.back.shrink()
}

// backLocked reports whether a task of the background is next. Such tasks wait for all others and
// have at most half of the workers, so that the rest stays free for others. A worker that ends one
// of them looks for the next, so none waits for ever.
func (p *pool) backLocked() bool {
	p.waited++
	return p.behind < max(1, p.workers/2) && (p.front.n+p.passed.n+p.heavy.n == 0 || p.waited%backTurn == 0)
}

// heavyLocked reports whether a heavy connection is the next to run.
func (p *pool) heavyLocked() bool {
	p.passes++
	return p.front.n+p.passed.n == 0 || p.passes%heavyTurn == 0
}

// idleLocked notes that more workers are idle, or fewer if more is negative. It reads the clock,
// which takes time that a worker without work has.
func (p *pool) idleLocked(more int) {
	now := p.clock.Nanos()
	p.worked += int64(p.workers-p.idle+p.loops) * (now - p.counted)
	p.counted = now
	p.idle += more
}

// loopLocked notes that more loops run turns.
func (p *pool) loopLocked(more int) {
	p.idleLocked(0)
	p.loops += more
}

// use returns the number of workers and loops that are busy, and the time that all of them were
// busy until now.
func (p *pool) use() (busy int, worked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idleLocked(0)
	return p.workers - p.idle + p.loops, time.Duration(p.worked)
}

// close ends the workers once the lists are empty.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cond.Broadcast()
}
