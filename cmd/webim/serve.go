package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/janitor"
)

// serve runs the server until a signal ends it. It writes the page's address to out and its log
// to errs.
func serve(c *config.Config, _ io.Reader, out, errs io.Writer) error {
	// Register first, so that no signal is missed.
	s := signalled{make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan os.Signal, 1)}
	s.notify()
	defer signal.Stop(s.ends)

	janitor.SetGC()
	p := newProgram(c, errs)
	slog.SetDefault(p.log)
	p.from = newTakeover(p, inherited)
	if err := p.start(); err != nil {
		return err
	}
	p.log.Info("limit of open files", "files", p.Files, "clients", p.server.Config().MaxConns)
	if !p.from.takingOver() {
		p.greet(out)
		janitor.Collect() // garbage from starting
	}
	p.manager.Ready(p.server)
	return p.run(s)
}

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
}

// run serves until a signal arrives, or another process has taken over. Then it waits until all clients have left or a second signal
// arrives.
func (p *program) run(s signalled) error {
	r := &runner{program: p, signals: s}
	for {
		select {
		case <-s.hangups:
			if err := r.busy(); err == nil {
				p.reload("SIGHUP")
			}
		case q := <-p.reloads:
			a := answer{err: r.busy()}
			if a.err == nil {
				a.text, a.err = p.reload(q.by)
			}
			q.answer <- a
		case <-s.upgrades:
			r.beginUpgrade(upgradeRequest{request: request{by: "SIGUSR2"}})
		case q := <-p.upgrades:
			r.beginUpgrade(q)
		case o := <-r.outcome():
			r.endUpgrade(o)
		case sig := <-s.ends:
			if r.ended != nil || r.after != nil {
				return fmt.Errorf("a second signal (%v) ended it before all clients had left", sig)
			}
			r.end(sig)
		case <-r.ended:
			return r.failed
		}
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), p.now.ShutdownTimeout)
	defer cancel()
	if err := p.server.Shutdown(ctx, p.now.ShutdownSpread); err != nil {
		p.log.Warn("some clients did not leave in time and were cut", "timeout", p.now.ShutdownTimeout)
	}
	p.inner.close(ctx)
	p.close()
	p.log.Info("ended")
}
