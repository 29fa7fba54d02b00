package main

import (
	"context"
	"errors"
	"net/http"
	"os"

	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/upgrade"
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

// An asker is the connection on which webim upgrade waits for the verdict. Only its methods use w.
type asker struct {
	w    http.ResponseWriter
	file *os.File // the connection itself, if it was taken from net/http
}

// take takes the connection from net/http, so that another program in this process can answer. It returns nil if that is not
// possible, as for HTTP/2; then the command sees only that its connection ends.
func (a *asker) take() *os.File {
	if a == nil {
		return nil
	}
	conn, _, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		return nil
	}
	if c, ok := conn.(interface{ Dup() (fd int, ok bool) }); ok {
		if fd, ok := c.Dup(); ok {
			a.file = os.NewFile(uintptr(fd), fileAsker)
		}
	}
	conn.Close() // the descriptor is a second one
	return a.file
}

// answer answers the request, however it can.
func (a *asker) answer(got answer) {
	if a.file != nil {
		operator.AnswerOn(a.file, got.text, got.err)
		return
	}
	operator.Answer(a.w, got.text, got.err)
}

// answerAsker answers the request that the program before this one has left in the same process, if there is one.
func answerAsker(from *upgrade.New, text string, err error) {
	if fd, ok := from.File(fileAsker); ok {
		operator.AnswerOn(os.NewFile(uintptr(fd), fileAsker), text, err)
	}
}
