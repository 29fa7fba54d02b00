package sched

import "time"

// wakeLocked decides whether a worker is woken for a task that has just been queued on a list, and
// counts the worker as woken. For a job, which may take a millisecond, for a heavy item and for the
// background, a worker is woken at once.
func (l *List[T]) wakeLocked(list *ring[T], job bool) bool {
	if l.idle == l.woken || list == &l.parked || !job && list == &l.front && !l.needyLocked() {
		return false
	}
	l.woken++
	return true
}

// needyLocked reports whether the items in front need one more worker. With prompt callbacks they
// wait for the workers and loops that run, unless too many items wait. Otherwise a worker that runs
// may never come back. So no item waits while a worker is idle, unless one is on its way, which
// looks again when it has taken the first.
func (l *List[T]) needyLocked() bool {
	return l.idle > l.woken && l.front.n > 0 &&
		(!l.cfg.Prompt && l.woken == 0 || tooMany(l.front.n, l.cfg.Workers-l.idle+l.woken+l.loops))
}

// soonTasks is the number of items that may wait for each worker and loop that runs: some half a
// millisecond's work.
const soonTasks = 64

// tooMany reports whether runners cannot take so many tasks soon.
func tooMany(tasks, runners int) bool { return tasks > soonTasks*runners }

// idleLocked notes that more workers are idle, or fewer if more is negative. It reads the clock,
// which takes time that a worker without work has.
func (l *List[T]) idleLocked(more int) {
	now := l.cfg.Now()
	l.worked += int64(l.cfg.Workers-l.idle+l.loops) * (now - l.counted)
	l.counted = now
	if l.idle += more; l.quiet != nil {
		l.quietLocked()
	}
}

// loopLocked notes that more loops run turns.
func (l *List[T]) loopLocked(more int) {
	l.idleLocked(0)
	if l.loops += more; l.quiet != nil {
		l.quietLocked()
	}
}

// Use returns the number of workers and loops that are busy, and the time that all of them were
// busy until now, added up.
func (l *List[T]) Use() (busy int, worked time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idleLocked(0)
	return l.cfg.Workers - l.idle + l.loops, time.Duration(l.worked)
}
