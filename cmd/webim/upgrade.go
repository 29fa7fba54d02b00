package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/remote"
	"webim/cmd/webim/internal/upgrade"
)

// underway is an upgrade under way.
type underway struct {
	since   time.Time
	cancel  context.CancelFunc // makes it fail, as long as it can
	asked   request
	outcome chan outcome
}

// outcome is how an upgrade has ended.
type outcome struct {
	verdict upgrade.Verdict
	stayed  int
	err     error
}

// outcome returns the channel on which the upgrade under way ends; nil if there is none.
func (r *runner) outcome() <-chan outcome {
	if r.upgrade == nil {
		return nil
	}
	return r.upgrade.outcome
}

// beginUpgrade begins an upgrade, unless one is under way.
func (r *runner) beginUpgrade(q request) {
	if err := r.busy(); err != nil {
		r.log.Warn("an upgrade is refused", "by", q.by, "err", err)
		q.reply(answer{err: err})
		return
	}
	r.log.Info("an upgrade begins", "by", q.by)
	ctx, cancel := context.WithCancel(context.Background())
	u := &underway{time.Now(), cancel, q, make(chan outcome, 1)}
	r.upgrade = u
	go func() {
		var o outcome
		o.verdict, o.stayed, o.err = r.handOver(ctx)
		u.outcome <- o
	}()
}

// endUpgrade tells the outcome. If another process serves now, this one ends.
func (r *runner) endUpgrade(o outcome) {
	u := r.upgrade
	u.cancel()
	r.upgrade = nil
	var lost *upgrade.LostError
	switch {
	case o.err == nil:
		r.log.Info("upgraded: another process serves now", "pid", o.verdict.PID, "version", o.verdict.Hello.Version, "clients", o.verdict.Conns,
			"stayed", o.stayed, "stall", o.verdict.Stall.Round(time.Microsecond), "note", o.verdict.Note)
		u.asked.reply(answer{text: sentence(o.verdict, o.stayed)})
		r.endBy(r.leave)
	case errors.As(o.err, &lost):
		r.log.Error("the upgrade has failed too late to take it back", "err", o.err)
		u.asked.reply(answer{err: o.err})
		r.failed = o.err
		r.endBy(r.leave)
	default:
		r.log.Error("the upgrade is rolled back, and this process serves as before", "err", o.err)
		u.asked.reply(answer{err: fmt.Errorf("rolled back: %w", o.err)})
		if r.after != nil {
			sig := r.after
			r.after = nil
			r.end(sig)
		}
	}
}

// serveUpgrade answers POST /upgrade with the verdict.
func (p *program) serveUpgrade(w http.ResponseWriter, r *http.Request, by string) {
	p.request(w, r, p.upgrades, by)
}

// upgradeCommand is webim upgrade.
func upgradeCommand(c *config.Config, _ io.Reader, out, _ io.Writer) error {
	text, err := remote.Post(context.Background(), c, operator.UpgradePath, operator.RightUpgrade)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
