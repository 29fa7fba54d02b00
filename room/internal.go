package room

import "webim/room/wire"

// LogInternal writes a line if err is one of which a client is told only error 100, so
// that the cause stands somewhere. A bare wire.ErrInternal has no cause: it is an
// answer for what the client itself gave up. what is the command, or the call, that
// failed.
func (h *Hub) LogInternal(err error, what string) {
	if err == nil || err == error(wire.ErrInternal) || !wire.IsInternal(err) {
		return
	}
	h.refusals.Error("a request failed in the server, and the client was told error 100", "what", what, "err", err)
}
