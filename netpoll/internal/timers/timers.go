package timers

import (
	"context"
	"math"
	"sync"
	"time"
)

// Set is the timers of a server. The fields are set before the first use. All methods are safe for
// concurrent use.
type Set struct {
	Guard  func(where string, f func())        // calls a function of the user, and survives its panic
	InStep func(d time.Duration) time.Duration // the time until the next call of a Tick of d

	mu    sync.Mutex
	all   map[*Timer]struct{}
	ended bool
	held  bool          // see Hold
	late  []*Timer      // those whose time has come since
	calls int           // that run
	quiet chan struct{} // is closed when none does; nil: nobody waits for that
}

// Timer calls a function, once or again and again.
type Timer struct {
	set *Set
	t   *time.Timer // set under Set.mu
}

// After calls f once, after d, on a goroutine of its own, unless the timer is stopped or the Set has
// ended.
func (s *Set) After(d time.Duration, f func()) *Timer {
	t := &Timer{set: s}
	return t.arm(d, func() {
		if t.begin() {
			t.Stop()
			s.Guard("After", f)
			t.end()
		}
	})
}

// Tick calls f every d until it is stopped or the Set has ended. It makes one call at a time, so a call
// that takes longer than d delays the next.
func (s *Set) Tick(d time.Duration, f func()) *Timer {
	t := &Timer{set: s}
	return t.arm(s.InStep(d), func() {
		if !t.begin() {
			return
		}
		s.Guard("Tick", f)
		t.end()
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.all[t]; ok {
			t.t.Reset(s.InStep(d))
		}
	})
}

// begin notes that a call begins. It returns false if the call must wait until Release.
func (t *Timer) begin() bool {
	s := t.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		s.late = append(s.late, t)
		return false
	}
	s.calls++
	return true
}

// end notes that a call has ended.
func (t *Timer) end() {
	s := t.set
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls--
	s.quietLocked()
}

func (s *Set) quietLocked() {
	if s.quiet != nil && s.calls == 0 {
		close(s.quiet)
		s.quiet = nil
	}
}

// Hold makes all calls wait until Release. When it returns, no call runs. It waits for those that do, until ctx
// ends: then it returns the error of ctx, and the caller calls Release. A call must not call Hold.
func (s *Set) Hold(ctx context.Context) error {
	s.mu.Lock()
	quiet := make(chan struct{})
	s.held, s.quiet = true, quiet
	s.quietLocked()
	s.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release ends Hold. The calls that have waited begin at once.
func (s *Set) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.late {
		if _, ok := s.all[t]; ok {
			t.t.Reset(0)
		}
	}
	s.held, s.late, s.quiet = false, nil, nil
}

func (t *Timer) arm(d time.Duration, f func()) *Timer {
	s := t.set
	s.mu.Lock()
	defer s.mu.Unlock()
	t.t = time.AfterFunc(math.MaxInt64, f) // it must be among the timers before it can fire
	if s.ended {
		t.t.Stop()
		return t
	}
	if s.all == nil {
		s.all = map[*Timer]struct{}{}
	}
	s.all[t] = struct{}{}
	t.t.Reset(d)
	return t
}

// Stop stops the timer. A call that has begun goes on.
func (t *Timer) Stop() {
	t.set.mu.Lock()
	defer t.set.mu.Unlock()
	t.t.Stop()
	delete(t.set.all, t)
}

// End stops all timers. No timer starts after it.
func (s *Set) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.all {
		t.t.Stop()
	}
	s.all, s.ended = nil, true
}

// Len returns the number of timers that run.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}
