package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"webim/cmd/webim/internal/upgrade"
)

// signalled has the signals that come.
type signalled struct{ ends, hangups, upgrades chan os.Signal }

func (s signalled) notify() {
	signal.Notify(s.ends, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangups, syscall.SIGHUP)
	signal.Notify(s.upgrades, syscall.SIGUSR2)
}

// mute makes the process ignore the signals that would end a program which has just started, except SIGTERM, and returns the
// function that undoes that. A new program has read its settings, so it loses nothing by a SIGHUP.
func (s signalled) mute() (undo func()) {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR2)
	return s.notify
}

// A runner is the goroutine that starts and ends a program.
type runner struct {
	*program
	signals signalled
	ended   chan struct{} // closed when the program has ended; nil: it serves
	failed  error         // the error with which it ends
	upgrade *underway     // nil: no upgrade is under way
	after   os.Signal     // ends the program when the upgrade has failed; nil: none
	standIn int           // the pid of a process that serves for good in place of this one; 0: there is none
}

// underway is an upgrade under way.
type underway struct {
	since   time.Time
	cancel  context.CancelFunc // makes it fail, as long as it can
	asked   upgradeRequest
	back    bool // this process is a stand-in, and hands back
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

// end begins the end of the program. Only SIGTERM begins with --drain-delay: a person at a terminal has no load balancer. During an
// upgrade, the end waits for the upgrade, which fails if it still can.
func (r *runner) end(sig os.Signal) {
	if r.upgrade != nil {
		r.after = sig
		r.upgrade.cancel()
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
