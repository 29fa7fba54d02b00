package room

import (
	"slices"

	"webim/netpoll"
	"webim/room/wire"
)

// historyQuery is what a history command asks for.
type historyQuery struct {
	since   *Position // publications behind it; in reverse, before it
	limit   int       // 0: only the top; negative: all
	reverse bool      // the newest first
}

// history reads a room's history. The error is an ErrorCode:
// ErrUnrecoverablePosition if since is of another epoch.
func (h *Hub) history(room string, q historyQuery, done func(History, error)) {
	from := uint64(0)
	switch {
	case q.limit == 0:
		from = ^uint64(0)
	case q.since != nil && !q.reverse:
		from = q.since.Offset
	}
	h.engine.History(room, from, 0, func(got History, err error) {
		switch {
		case err != nil:
			done(History{}, wire.ErrInternal)
			return
		case q.since != nil && q.since.Epoch != "" && q.since.Epoch != got.Top.Epoch:
			done(History{}, wire.ErrUnrecoverablePosition)
			return
		}
		if q.reverse {
			got.Publications = slices.Clone(got.Publications)
			slices.Reverse(got.Publications)
			if q.since != nil {
				got.Publications = slices.DeleteFunc(got.Publications, func(p Publication) bool { return p.Offset >= q.since.Offset })
			}
		}
		if q.limit >= 0 && len(got.Publications) > q.limit {
			got.Publications = got.Publications[:q.limit]
		}
		done(got, nil)
	})
}

// Present implements Subscriber.
func (r *Room) Present() []Author {
	var ids []netpoll.ID
	r.mu.Lock()
	for _, g := range r.groups {
		if g == nil {
			continue
		}
		for _, sh := range g.shards {
			for _, p := range sh.places {
				if p.id != 0 {
					ids = append(ids, p.id)
				}
			}
		}
	}
	r.mu.Unlock()
	all := make([]Author, 0, len(ids))
	for _, id := range ids {
		if c, ok := r.s.Conn(id); ok {
			all = append(all, authorOf(c))
		}
	}
	return all
}
