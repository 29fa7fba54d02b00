package main

import (
	"context"
	"errors"
)

// replaceProgram puts the program that is now in the place of this one into the same process. It returns only if that has failed,
// and this program serves as before. a waits for the verdict; it may be nil.
func (r *runner) replaceProgram(ctx context.Context, a *asker) error {
	h := &handover{program: r.program}
	old, err := h.old()
	if err != nil {
		return err
	}
	old.Exclusive, old.Mute = r.store != nil, r.signals.mute
	old.Commit = func() error {
		err := h.commit()
		if err == nil {
			h.refuse()
		}
		return err
	}
	old.Prepare = func(ctx context.Context) error {
		r.keepAlive(false)
		r.closeTLS(ctx)
		h.asker = a.take()
		return ctx.Err()
	}
	r.manager.Reloading()
	defer r.manager.Serving()
	defer r.keepAlive(true)
	return old.Exec(ctx)
}

// refuse answers the requests that wait and cannot move, before the new program cuts their connections: nothing of them has been
// done, and their clients send them again.
func (h *handover) refuse() {
	ctx, cancel := context.WithTimeout(context.Background(), refusalTime)
	defer cancel()
	h.held.RefuseRequests(ctx)
	if h.inner != nil {
		h.inner.RefuseRequests(ctx)
	}
	h.gate.Retire()
	_ = h.gate.Empty(ctx)
}

// keepAlive says whether connections for HTTP requests stay open after a request: a request on one that is cut could get lost.
func (p *program) keepAlive(on bool) {
	p.server.KeepAlive(on)
	if p.inner != nil {
		p.inner.server.KeepAlive(on)
	}
}

// closeTLS closes the connections that cannot move, with the usual code for a restart. They reconnect: to this program, so that few of
// them are cut when it is replaced.
func (p *program) closeTLS(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.now.ShutdownTimeout)
	defer cancel()
	if err := p.server.CloseTLS(ctx, p.now.ShutdownSpread); errors.Is(err, context.DeadlineExceeded) {
		p.log.Warn("some clients did not leave in time and were cut", "timeout", p.now.ShutdownTimeout)
	}
}
