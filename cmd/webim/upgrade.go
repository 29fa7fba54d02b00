package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
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
	inPlace := q.inPlace || upgrade.Guarded() || r.now.UpgradesInPlace(os.Getpid())
	r.log.Info("an upgrade begins", "by", q.by, "in_place", inPlace)
	r.begin(&underway{asked: q}, func(ctx context.Context) (v upgrade.Verdict, stayed int, err error) {
		if inPlace {
			return v, 0, r.replaceProgram(ctx, q.asker)
		}
		return r.handOver(ctx)
	})
}

// begin runs an upgrade on a goroutine of its own.
func (r *runner) begin(u *underway, f func(context.Context) (v upgrade.Verdict, stayed int, err error)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	u.since, u.cancel, u.outcome = time.Now(), cancel, make(chan outcome, 1)
	r.upgrade = u
	go func() {
		var o outcome
		o.verdict, o.stayed, o.err = f(ctx)
		u.outcome <- o
	}()
}

// hangUp receives SIGHUP. During an upgrade, the reload waits for its end.
func (r *runner) hangUp() {
	if r.upgrade == nil {
		r.reloadUnlessBusy(bySIGHUP)
		return
	}
	r.upgrade.reload = true
	r.log.Info("a reload waits for the end of the upgrade", "by", bySIGHUP)
}

const bySIGHUP = "SIGHUP"

// reloadUnlessBusy reloads the settings, unless the program changes nothing now.
func (r *runner) reloadUnlessBusy(by string) (a answer) {
	if a.err = r.busy(); a.err != nil {
		r.log.Warn("a reload is refused", "by", by, "err", a.err)
		return a
	}
	a.text, a.err = r.reload(by)
	return a
}

// endUpgrade tells the outcome. If another process serves now, this one ends. Whichever process serves reloads its settings if SIGHUP has
// come during the upgrade: the new one may have read its files before. A program in place of this one has read them after; if there is
// none, see guard.
func (r *runner) endUpgrade(o outcome) {
	select {
	case <-r.signals.hangups:
		r.hangUp()
	default:
	}
	u := r.upgrade
	u.cancel(nil)
	r.upgrade = nil
	var lost *upgrade.LostError
	var standIn *upgrade.StandInError
	if o.err == nil && u.reload {
		_ = syscall.Kill(o.verdict.PID, syscall.SIGHUP) // it has just said that it serves, so it handles signals
	}
	switch {
	case o.err == nil && u.back:
		r.log.Info("handed everything back", "pid", o.verdict.PID, "clients", o.verdict.Conns, "stayed", o.stayed,
			"stall", o.verdict.Stall.Round(time.Microsecond))
		r.endBy(r.leave)
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
	case errors.As(o.err, &standIn):
		if r.after == nil {
			r.log.Error("the upgrade has failed halfway: a process with the new program serves, and this one waits for its end",
				"pid", standIn.StandIn.PID, "err", o.err)
		}
		u.asked.reply(answer{err: o.err})
		r.standIn = standIn.StandIn
	default:
		if u.back {
			r.log.Error("the process before this one cannot take everything back, so this one serves in its place", "err", o.err)
		} else {
			r.log.Error("the upgrade is rolled back, and this process serves as before", "err", o.err)
		}
		u.asked.reply(answer{err: fmt.Errorf("rolled back: %w", o.err)})
		if u.reload {
			r.reloadUnlessBusy(bySIGHUP)
		}
		if r.after != nil {
			sig := r.after
			r.after = nil
			r.end(sig)
		}
	}
}

// guardStandIn waits for the end of the process that serves in place of this one.
func (r *runner) guardStandIn() error {
	if r.after != nil {
		r.standIn.Signal(r.after.(syscall.Signal))
	}
	if code := guard(r.manager, r.signals, r.standIn); code != 0 {
		return fmt.Errorf("the process %d, which served in place of this one, has ended with %d", r.standIn.PID, code)
	}
	r.log.Info("ended")
	return nil
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
