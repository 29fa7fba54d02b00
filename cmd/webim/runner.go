package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"webim/cmd/webim/internal/children"
	"webim/cmd/webim/internal/upgrade"
)

// A runner is the goroutine that starts and ends a program.
type runner struct {
	*program
	muted   chan chan struct{} // see mute
	ended   chan struct{}      // closed when the program has ended; nil: it serves
	failed  error              // the error with which it ends
	upgrade *underway          // nil: no upgrade is under way
	after   os.Signal          // ends the program when the upgrade has failed; nil: none
	standIn *children.Child    // serves for good in place of this process; nil: there is none
}

func newRunner(p *program) *runner { return &runner{program: p, muted: make(chan chan struct{})} }

// underway is an upgrade under way.
type underway struct {
	since   time.Time
	cancel  context.CancelCauseFunc // makes it fail, as long as it can
	asked   upgradeRequest
	back    bool // this process is a stand-in, and hands back
	reload  bool // SIGHUP has come meanwhile
	outcome chan outcome
}

// outcome is how an upgrade has ended.
type outcome struct {
	verdict upgrade.Verdict
	stayed  int
	err     error
}

// busy returns why the program changes nothing now, or nil.
func (r *runner) busy() error {
	switch {
	case r.ended != nil:
		return errors.New("the server is shutting down")
	case r.upgrade != nil:
		return fmt.Errorf("an upgrade is under way already, since %s", r.upgrade.since.Format(time.TimeOnly))
	}
	return nil
}

// mute mutes the signals, and returns when the runner has received those that have come before. It runs on the goroutine of an upgrade.
func (r *runner) mute() (undo func()) {
	r.signals.mute()
	seen := make(chan struct{})
	r.muted <- seen
	<-seen
	return r.signals.notify
}

// receive receives SIGTERM or SIGINT. It returns an error if the program ends at once.
func (r *runner) receive(sig os.Signal) error {
	switch {
	case r.upgrade != nil && r.upgrade.back:
		r.log.Info("a signal is left to the process before this one, which passes it on", "signal", sig.String())
		r.after = sig // if that process cannot take everything back
	case r.ended != nil || r.after != nil:
		return fmt.Errorf("a second signal (%v) ended it before all clients had left", sig)
	default:
		r.end(sig)
	}
	return nil
}

// endOrphan ends a program whose process stands in, or has stood in, for one that was killed: nobody else knows of it, and whoever starts
// the program again needs its addresses and its store.
func (r *runner) endOrphan() {
	if r.ended != nil || r.after != nil || r.upgrade != nil && r.upgrade.back || !upgrade.Orphaned() {
		return
	}
	r.log.Error("the process that waits for the end of this one was killed, so this one ends, too")
	r.end(syscall.SIGTERM)
}

// end begins the end of the program. Only SIGTERM begins with --drain-delay: a person at a terminal has no load balancer. During an
// upgrade, the end waits for the upgrade, which fails if it still can.
func (r *runner) end(sig os.Signal) {
	if r.upgrade != nil {
		r.after = sig
		r.upgrade.cancel(fmt.Errorf("this process got a signal (%v), which ends it", sig))
		return
	}
	delay := r.now.DrainDelay
	if sig == syscall.SIGINT {
		delay = 0
	}
	r.log.Info("shutting down", "signal", sig.String(), "delay", delay, "spread", r.now.ShutdownSpread, "timeout", r.now.ShutdownTimeout)
	r.endBy(func() {
		r.drain(delay)
		r.stop()
	})
}

// endBy ends the program by a function, on a goroutine of its own.
func (r *runner) endBy(f func()) {
	r.ended = make(chan struct{})
	go func() {
		defer close(r.ended)
		f()
	}()
}

// stopReserve is the time for the steps after the clients have left: closing the internal
// listener and the hooks.
const stopReserve = 5 * time.Second

// drain serves for the time of delay as before, and only says that the program ends, so that load
// balancers notice.
func (p *program) drain(delay time.Duration) {
	p.health.Drain()
	if delay > 0 {
		p.manager.Stopping(delay + p.now.ShutdownTimeout + stopReserve)
		<-time.After(delay)
	}
}

// stop disconnects the clients and closes the server, at the latest at the deadline.
func (p *program) stop() {
	p.manager.Stopping(p.now.ShutdownTimeout + stopReserve)
	p.health.Drain()
	p.closeServers(context.Background())
	p.log.Info("ended")
}
