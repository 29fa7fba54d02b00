package room

import (
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/wire"
)

// HistoryQuery selects a part of a room's history.
type HistoryQuery struct {
	Since   *engine.Position // only publications after this position; with Reverse, before it
	Limit   int              // the maximum number of publications; 0: only the top; negative: all
	Reverse bool             // the newest first
	Bytes   int              // see engine.Span
	Behind  uint64           // with Reverse: only publications after this offset
	Places  bool             // see engine.Span
	Payer   budget.Owner     // see engine.Span
}

// History reads a part of a room's history. The error is a wire.ErrorCode: ErrNotAvailable if the room
// keeps no history, ErrUnrecoverablePosition if q.Since belongs to another epoch. Any goroutine may call
// done, which must not change the history.
func (h *Hub) History(room string, q HistoryQuery, done func(engine.History, error)) {
	o := h.Options(room)
	if o.History.Messages <= 0 {
		done(engine.History{}, wire.ErrNotAvailable)
		return
	}
	part := engine.Span{Limit: q.Limit, Newest: q.Reverse, Bytes: q.Bytes, Keep: h.keepOf(o), Places: q.Places, Payer: q.Payer}
	if q.Reverse {
		part.Behind = q.Behind
	}
	switch {
	case q.Since != nil && q.Reverse:
		if part.Before = q.Since.Offset; part.Before == 0 {
			part.Limit = 0 // there is nothing before the first publication
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

// RemoveHistory removes the history of a room, and begins a new epoch. A client that comes back with a
// position in the old epoch is told that it could not recover. Members that rely on their position get
// code 2500 or 3010. The error is a wire.ErrorCode: ErrNotAvailable if the room keeps no history.
func (h *Hub) RemoveHistory(room string, done func(error)) {
	if h.Options(room).History.Messages <= 0 {
		done(wire.ErrNotAvailable)
		return
	}
	h.engine.RemoveHistory(room, done)
}
