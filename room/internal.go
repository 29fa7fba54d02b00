package room

import (
	"sync/atomic"

	"webim/room/wire"
)

// internalErrors are the log lines about faults of the server: a client is told
// nothing but error 100, so the cause has to stand somewhere. There is one line in
// logEvery, with the number of those that are not written.
type internalErrors struct {
	next    atomic.Int64 // when there may be a line again
	omitted atomic.Int64
}

// logInternal writes a line if err is one of which a client is told only error 100.
// A bare wire.ErrInternal has no cause: it is an answer for what the client itself
// gave up. what is the command, or the call, that failed.
func (h *Hub) logInternal(err error, what string) {
	if err == nil || err == error(wire.ErrInternal) || h.cfg.Log == nil || !wire.IsInternal(err) {
		return
	}
	e, now := &h.internal, h.now()
	next := e.next.Load()
	if now < next || !e.next.CompareAndSwap(next, now+int64(logEvery)) {
		e.omitted.Add(1)
		return
	}
	h.cfg.Log.Error("a request failed in the server, and the client was told error 100", "what", what, "err", err, "not_logged_before", e.omitted.Swap(0))
}
