package room

import (
	"webim/netpoll"
	"webim/room/engine"
	"webim/room/internal/encode"
)

// Begin implements engine.Subscriber. If the room has a position already, and another one, the engine has lost
// publications.
func (r *Room) Begin(at engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.top.Epoch != "" && at != r.top {
		r.handleGapLocked()
	}
	r.top = at
	r.resolveJoinsLocked()
}

// Deliver implements engine.Subscriber. It encodes the publication once for each dialect in use,
// compresses it once for each variant in use, and wakes the shards that do not pause.
func (r *Room) Deliver(p engine.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Prev != r.top.Offset {
		r.handleGapLocked()
	}
	r.activateLocked()
	r.appendLocked(netpoll.ID(p.Origin), false, func(d encode.Dialect, dst []byte) encode.Message {
		return encode.Publication(&p, r.name, d, dst)
	})
	if len(r.typists.waiting) > 0 {
		r.stopTypingLocked(p.From)
	}
	r.top.Offset = p.Offset // a member that takes a slot from now on is owed the publications behind it
	r.bufferLocked(p)
	r.resolveJoinsLocked()
}

// Notify implements engine.Subscriber. Members that asked for notices get them, see noticeQueue.
func (r *Room) Notify(n engine.Notice) {
	if n.Typing {
		r.handleTyping(n.Who)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handleNoticeLocked(n)
}
