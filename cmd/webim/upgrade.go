package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/remote"
	"webim/cmd/webim/internal/upgrade"
)

// outcome returns the channel on which the upgrade under way ends; nil if there is none.
func (r *runner) outcome() <-chan outcome {
	if r.upgrade == nil {
		return nil
	}
	return r.upgrade.outcome
}

// beginUpgrade begins an upgrade, unless one is under way.
func (r *runner) beginUpgrade(q upgradeRequest) {
	if err := r.busy(); err != nil {
		r.log.Warn("an upgrade is refused", "by", q.by, "err", err)
		q.reply(answer{err: err})
		return
	}
	inPlace := q.inPlace || r.now.UpgradesInPlace(os.Getpid())
	r.log.Info("an upgrade begins", "by", q.by, "in_place", inPlace)
	ctx, cancel := context.WithCancel(context.Background())
	u := &underway{time.Now(), cancel, q, make(chan outcome, 1)}
	r.upgrade = u
	go func() {
		var o outcome
		if inPlace {
			o.err = r.replaceProgram(ctx, q.asker)
		} else {
			o.verdict, o.stayed, o.err = r.handOver(ctx)
		}
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

// byParam is the parameter of a request for an upgrade; with the value byExec the process stays the same.
const byParam, byExec = "by", "exec"

// serveUpgrade answers POST /upgrade with the verdict.
func (p *program) serveUpgrade(w http.ResponseWriter, r *http.Request, by string) {
	answers := make(chan answer, 1)
	a := &asker{w: w}
	select {
	case p.upgrades <- upgradeRequest{request{by, answers}, r.URL.Query().Get(byParam) == byExec, a}:
	case <-r.Context().Done():
		return
	}
	a.answer(<-answers)
}

// upgradeCommand is webim upgrade.
type upgradeCommand struct {
	config.Flags
	Exec bool `help:"Keep the process and replace only its program, whatever --upgrade-by says."`
}

func (u *upgradeCommand) run(c *config.Config, _ io.Reader, out, _ io.Writer) error {
	path := operator.UpgradePath
	if u.Exec {
		path += "?" + byParam + "=" + byExec
	}
	text, err := remote.Post(context.Background(), c, path, operator.RightUpgrade)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
