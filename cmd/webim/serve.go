package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

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
	if !p.from.standsIn() {
		p.manager.Ready(p.server)
	}
	return p.run(s)
}

// run serves until a signal arrives, or another process has taken over. Then it waits until all clients have left or a second signal
// arrives.
func (p *program) run(s signalled) error {
	r := &runner{program: p, signals: s}
	if p.from.standsIn() {
		r.begin(&underway{back: true}, r.handBack)
	}
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
			if r.standIn != 0 {
				return r.guardStandIn()
			}
		case sig := <-s.ends:
			if r.upgrade != nil && r.upgrade.back {
				r.log.Info("a signal is left to the process before this one, which passes it on", "signal", sig.String())
				continue
			}
			if r.ended != nil || r.after != nil {
				return fmt.Errorf("a second signal (%v) ended it before all clients had left", sig)
			}
			r.end(sig)
		case <-r.ended:
			return r.failed
		}
	}
}
