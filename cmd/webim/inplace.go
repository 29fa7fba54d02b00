package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/upgrade"
)

// replaceProgram puts the program that is now in the place of this one into the same process, while a stand-in serves. It returns only
// if that has failed. a waits for the verdict; it may be nil.
func (r *runner) replaceProgram(ctx context.Context, a *asker) error {
	h := &handover{program: r.program, asker: a.take()}
	old, err := h.old()
	if err != nil {
		return err
	}
	old.Mute, old.LeaveTime = r.mute, r.now.ShutdownTimeout+stopReserve
	r.manager.Reloading()
	err = old.Exec(ctx, func(v upgrade.Verdict) {
		a.leave()
		r.log.Info("another process stands in while this one gets the new program", "pid", v.PID, "version", v.Hello.Version,
			"clients", v.Conns, "stayed", h.held.Stayed(), "stall", v.Stall.Round(time.Microsecond), "note", v.Note)
		r.closeServers(ctx)
	})
	var standIn *upgrade.StandInError
	var lost *upgrade.LostError
	if !errors.As(err, &standIn) && !errors.As(err, &lost) {
		r.manager.Serving()
	}
	return err
}

// handBack is the upgrade of a stand-in: it gives everything to the process before it.
func (r *runner) handBack(context.Context) (v upgrade.Verdict, stayed int, err error) {
	from := r.from
	h := &handover{program: r.program, asker: from.asker}
	old, _ := h.old() // the path of the program is not needed
	v, err = old.HandBack(from.from)
	if err != nil && from.asker != nil {
		why := fmt.Errorf("the process %d serves, because the one before it could not take everything back: %w", os.Getpid(), err)
		operator.AnswerOn(from.asker, "", why)
	}
	var lost *upgrade.LostError
	if err != nil && !errors.As(err, &lost) {
		r.manager.Main(os.Getpid())
		r.manager.Ready(r.server)
		return v, 0, err
	}
	return v, h.held.Stayed(), err
}
