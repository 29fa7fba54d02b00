package sched

import "context"

// held says which tasks wait until Release.
type held uint8

const (
	heldNone held = iota
	heldItems
	heldAll
)

// HoldItems stops items. When it returns, no item runs, and none will before Release; jobs run on. It waits
// for the tasks that run, until ctx ends: then it returns the error of ctx, and the caller calls Release.
func (l *List[T]) HoldItems(ctx context.Context) error {
	if err := l.HoldAll(ctx); err != nil {
		return err
	}
	l.hold(heldItems)
	return nil
}

// HoldAll is HoldItems for jobs, too.
func (l *List[T]) HoldAll(ctx context.Context) error {
	select {
	case <-l.hold(heldAll):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release ends HoldItems and HoldAll. Everything that was queued meanwhile is in its order.
func (l *List[T]) Release() { l.hold(heldNone) }

// hold changes which tasks wait, and puts all that are queued where they belong now. The result is closed
// when no task runs; nil: nobody needs it.
func (l *List[T]) hold(which held) (quiet chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.quiet = which, nil
	var queued []task[T]
	for _, list := range []*ring[T]{&l.passed, &l.front, &l.heavy, &l.back, &l.parked} {
		for list.n > 0 {
			queued = append(queued, list.pop())
		}
		list.shrink()
	}
	for _, t := range queued {
		if l.wakeLocked(l.pushLocked(t), t.job != nil) {
			l.cond.Signal()
		}
	}
	if which == heldAll {
		l.quiet = make(chan struct{})
		quiet = l.quiet
		l.quietLocked()
	}
	return quiet
}

// holdsLocked reports whether a task waits until Release.
func (l *List[T]) holdsLocked(t task[T]) bool {
	return l.held == heldAll || l.held == heldItems && t.job == nil
}

// quietLocked tells the caller of HoldAll, if there is one, once no worker and no loop runs a task.
func (l *List[T]) quietLocked() {
	if l.quiet != nil && l.idle == l.cfg.Workers && l.loops == 0 {
		close(l.quiet)
		l.quiet = nil
	}
}
