package room

import (
	"webim/room/engine"
	"webim/room/wire"
)

// HistoryQuery is what is asked of a room's history.
type HistoryQuery struct {
	Since   *engine.Position // publications behind it; in reverse, before it
	Limit   int              // 0: only the top; negative: all
	Reverse bool             // the newest first
	Bytes   int              // see Span
}

// History reads what a room remembers. The error is a wire.ErrorCode:
// ErrNotAvailable if the room remembers nothing, ErrUnrecoverablePosition if
// q.Since is of another epoch. What done gets must not be changed.
func (h *Hub) History(room string, q HistoryQuery, done func(engine.History, error)) {
	if h.cfg.options(room).History.Messages <= 0 {
		done(engine.History{}, wire.ErrNotAvailable)
		return
	}
	part := engine.Span{Limit: q.Limit, Newest: q.Reverse, Bytes: q.Bytes}
	switch {
	case q.Since != nil && q.Reverse:
		if part.Before = q.Since.Offset; part.Before == 0 {
			part.Limit = 0 // nothing is before the beginning
		}
	case q.Since != nil:
		part.Behind = q.Since.Offset
	}
	h.engine.History(room, part, func(got engine.History, err error) {
		switch {
		case err != nil:
			done(engine.History{}, wire.Internal(err))
			return
		case q.Since != nil && q.Since.Epoch != "" && q.Since.Epoch != got.Top.Epoch:
			done(engine.History{}, wire.ErrUnrecoverablePosition)
			return
		}
		done(got, nil)
	})
}

// RemoveHistory makes a room forget its history, and begins a new epoch: who
// comes back from before is told that it could not recover, and so is, with 2500
// or 3010, who is there and relies on its place. The error is a
// wire.ErrorCode: ErrNotAvailable if the room remembers nothing anyway.
func (h *Hub) RemoveHistory(room string, done func(error)) {
	if h.cfg.options(room).History.Messages <= 0 {
		done(wire.ErrNotAvailable)
		return
	}
	h.engine.RemoveHistory(room, done)
}
