package main

import (
	"io"
	"log/slog"
	"os/signal"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/janitor"
)

// serve runs the server until a signal ends it. It writes the page's address to out and its log
// to errs.
func serve(c *config.Config, _ io.Reader, out, errs io.Writer) error {
	// Register first, so that no signal is missed.
	s := newSignalled()
	defer signal.Stop(s.ends)

	janitor.SetGC()
	p := newProgram(c, errs)
	p.signals = s
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
	return newRunner(p).run()
}

// run serves until a signal arrives, or another process has taken over. Then it waits until all clients have left or a second signal
// arrives.
func (r *runner) run() error {
	p, s := r.program, r.signals
	if p.from.standsIn() {
		r.begin(&underway{back: true}, r.handBack)
	}
	orphaned := orphanLooks(p.manager)
	for {
		select {
		case <-orphaned:
			r.endOrphan()
		case <-s.hangups:
			r.hangUp()
		case q := <-p.reloads:
			q.reply(r.reloadUnlessBusy(q.by))
		case <-s.upgrades:
			r.beginUpgrade(upgradeRequest{request: request{by: "SIGUSR2"}})
		case q := <-p.upgrades:
			r.beginUpgrade(q)
		case o := <-r.outcome():
			r.endUpgrade(o)
			if r.standIn != nil {
				return r.guardStandIn()
			}
		case sig := <-s.ends:
			if err := r.receive(sig); err != nil {
				return err
			}
		case seen := <-r.muted:
			for len(s.ends) > 0 {
				if err := r.receive(<-s.ends); err != nil {
					return err
				}
			}
			close(seen)
		case <-r.ended:
			return r.failed
		}
	}
}
