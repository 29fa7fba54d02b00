package room

import (
	"sync"
	"time"

	"webim/room/engine"
)

// leaveDelays are those of whom nobody knows yet that they left. The zero value is
// ready.
type leaveDelays struct {
	mu   sync.Mutex
	n    uint64
	left map[whereWho]uint64 // which leave it was
}

// whereWho is a connection in a room.
type whereWho struct{ room, client string }

// Notify tells a room, on all nodes, that somebody came or went; who comes back
// before it was told that it went has never been away. No lock is needed nor
// minded.
func (h *Hub) Notify(room string, n engine.Notice) {
	if h.cfg.LeaveDelay < 0 {
		h.Post(func() { h.engine.Notify(room, n) })
		return
	}
	l, v := &h.leaveDelays, whereWho{room, n.Who.Client}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !n.Left {
		if _, here := l.left[v]; here {
			delete(l.left, v)
			return
		}
		h.Post(func() { h.engine.Notify(room, n) })
		return
	}
	if l.left == nil {
		l.left = map[whereWho]uint64{}
	}
	l.n++
	which := l.n
	l.left[v] = which
	h.At(time.Now().Add(h.cfg.LeaveDelay), func() {
		l.mu.Lock()
		over := l.left[v] == which
		if over {
			delete(l.left, v)
		}
		l.mu.Unlock()
		if over {
			h.engine.Notify(room, n)
		}
	})
}
