package room

import (
	"sync"
	"time"

	"webim/room/engine"
)

// lingers are those of whom nobody knows yet that they left. The zero value is
// ready.
type lingers struct {
	mu   sync.Mutex
	n    uint64
	left map[visit]uint64 // which leave it was
}

// visit is a connection in a room.
type visit struct{ room, client string }

// notify tells a room, on all nodes, that somebody came or went; who comes back
// before it was told that it went has never been away. No lock is needed nor
// minded.
func (h *Hub) notify(room string, n engine.Notice) {
	if h.cfg.LeaveLinger < 0 {
		h.soon(func() { h.engine.Notify(room, n) })
		return
	}
	l, v := &h.lingers, visit{room, n.Who.Client}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !n.Left {
		if _, here := l.left[v]; here {
			delete(l.left, v)
			return
		}
		h.soon(func() { h.engine.Notify(room, n) })
		return
	}
	if l.left == nil {
		l.left = map[visit]uint64{}
	}
	l.n++
	which := l.n
	l.left[v] = which
	h.due.add(time.Now().Add(h.cfg.LeaveLinger), func() {
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
