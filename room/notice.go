package room

import (
	"sync"
	"time"

	"webim/room/engine"
)

// leaveDelays has the leaves that no room was told yet, because the clients may come back. The
// zero value is ready.
type leaveDelays struct {
	mu      sync.Mutex
	n       uint64                // the number of the last leave
	pending map[roomClient]uint64 // by number
}

// roomClient is a client in a room.
type roomClient struct{ room, client string }

// Notify tells a room, on all nodes, that a client joined or left. A leave is told after
// Config.LeaveDelay. If the client joins again before, neither the leave nor the join is told.
// Notify may be called with or without locks held, except leaveDelays.mu, deferred.mu and
// timers.List.mu.
func (h *Hub) Notify(room string, n engine.Notice) {
	if h.cfg.LeaveDelay < 0 {
		h.Post(func() { h.engine.Notify(room, n) })
		return
	}
	l, v := &h.leaveDelays, roomClient{room, n.Who.Client}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !n.Left {
		if _, here := l.pending[v]; here {
			delete(l.pending, v)
			return
		}
		h.Post(func() { h.engine.Notify(room, n) })
		return
	}
	if l.pending == nil {
		l.pending = map[roomClient]uint64{}
	}
	l.n++
	which := l.n
	l.pending[v] = which
	h.At(time.Now().Add(h.cfg.LeaveDelay), func() {
		l.mu.Lock()
		over := l.pending[v] == which
		if over {
			delete(l.pending, v)
		}
		l.mu.Unlock()
		if over {
			h.engine.Notify(room, n)
		}
	})
}
