package jobs

import (
	"sync"
	"time"
)

// Pool runs jobs. All methods are safe for concurrent use.
type Pool struct {
	most int
	wg   sync.WaitGroup

	mu      sync.Mutex
	queue   []func()
	running int
	delayed map[*time.Timer]bool
	closed  bool
}

// New makes a pool with at most this many goroutines.
func New(most int) *Pool { return &Pool{most: most, delayed: map[*time.Timer]bool{}} }

// Go runs f on a goroutine, as soon as one is free. After Close it does nothing.
func (p *Pool) Go(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.running < p.most {
		p.running++
		p.wg.Go(func() { p.work(f) })
		return
	}
	p.queue = append(p.queue, f)
}

// After runs f like Go, when this time has passed. After Close it does nothing.
func (p *Pool) After(d time.Duration, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		p.mu.Lock()
		delete(p.delayed, t) // nil after Close
		p.mu.Unlock()
		p.Go(f)
	})
	p.delayed[t] = true
}

// work runs f and then the jobs in the queue.
func (p *Pool) work(f func()) {
	for f != nil {
		f()
		f = p.next()
	}
}

func (p *Pool) next() (f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.running--
		return nil
	}
	f = p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return f
}

// Close runs no further job, drops those in the queue, and waits for those that run.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.queue = nil
	for t := range p.delayed {
		t.Stop()
	}
	p.delayed = nil
	p.mu.Unlock()
	p.wg.Wait()
}
