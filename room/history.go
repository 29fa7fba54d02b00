package room

import (
	"slices"

	"webim/room/wire"
)

// HistoryQuery is what is asked of a room's history.
type HistoryQuery struct {
	Since   *Position // publications behind it; in reverse, before it
	Limit   int       // 0: only the top; negative: all
	Reverse bool      // the newest first
}

// History reads what a room remembers. The error is a wire.ErrorCode:
// ErrNotAvailable if the room remembers nothing, ErrUnrecoverablePosition if
// q.Since is of another epoch. What done gets must not be changed.
func (h *Hub) History(room string, q HistoryQuery, done func(History, error)) {
	if h.cfg.options(room).History.Messages <= 0 {
		done(History{}, wire.ErrNotAvailable)
		return
	}
	from := uint64(0)
	switch {
	case q.Limit == 0:
		from = ^uint64(0)
	case q.Since != nil && !q.Reverse:
		from = q.Since.Offset
	}
	h.engine.History(room, from, 0, func(got History, err error) {
		switch {
		case err != nil:
			done(History{}, wire.ErrInternal)
			return
		case q.Since != nil && q.Since.Epoch != "" && q.Since.Epoch != got.Top.Epoch:
			done(History{}, wire.ErrUnrecoverablePosition)
			return
		}
		skipped := func(p Publication) bool { return p.Skip }
		if slices.ContainsFunc(got.Publications, skipped) {
			got.Publications = slices.DeleteFunc(slices.Clone(got.Publications), skipped)
		}
		if q.Reverse {
			got.Publications = slices.Clone(got.Publications)
			slices.Reverse(got.Publications)
			if q.Since != nil {
				got.Publications = slices.DeleteFunc(got.Publications, func(p Publication) bool { return p.Offset >= q.Since.Offset })
			}
		}
		if q.Limit >= 0 && len(got.Publications) > q.Limit {
			got.Publications = got.Publications[:q.Limit]
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
