package jobs

import (
	"context"
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
	paused  bool
	later   []func()      // given while it was paused
	idle    chan struct{} // closed when no job is left; nil: nobody waits for that
}

// New makes a pool with at most this many goroutines.
func New(most int) *Pool { return &Pool{most: most, delayed: map[*time.Timer]bool{}} }

// Go runs f on a goroutine, as soon as one is free. After Close it does nothing.
func (p *Pool) Go(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goLocked(f)
}

func (p *Pool) goLocked(f func()) {
	switch {
	case p.closed:
	case p.paused:
		p.later = append(p.later, f)
	case p.running < p.most:
		p.running++
		p.wg.Go(func() { p.work(f) })
	default:
		p.queue = append(p.queue, f)
	}
}

// Pause returns when no job runs, or when ctx ends. Jobs that have not begun, and those that are given later, wait for Resume,
// which must follow also after an error; or for Close. A long job ends early if Pausing says so.
func (p *Pool) Pause(ctx context.Context) error {
	p.mu.Lock()
	p.later, p.queue = append(p.queue, p.later...), nil
	p.mu.Unlock()
	return p.Drain(ctx)
}

// Pausing reports whether Pause or Drain was called, and Resume was not.
func (p *Pool) Pausing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

// Drain is Pause, except that jobs that were given before begin and end.
func (p *Pool) Drain(ctx context.Context) error {
	p.mu.Lock()
	p.paused = true
	if p.running == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resume runs the jobs that have waited. Without a Pause before, it does nothing.
func (p *Pool) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.later
	p.paused, p.later = false, nil
	for _, f := range all {
		p.goLocked(f)
	}
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
		if p.running--; p.running == 0 && p.idle != nil {
			close(p.idle)
			p.idle = nil
		}
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
	p.queue, p.later = nil, nil
	for t := range p.delayed {
		t.Stop()
	}
	p.delayed = nil
	p.mu.Unlock()
	p.wg.Wait()
}
