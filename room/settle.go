package room

import (
	"context"

	"webim/netpoll"
)

// A settling goroutine waits until a shard has swept all that its log held when the
// goroutine came. While one waits, the shard does not pause between sweeps.
type settling struct {
	end  uint64        // the log's end then
	done chan struct{} // closed when the shard's cursor has reached it
}

// Settle implements netpoll.Settler: the calls of some connections are answered, and what
// their rooms have pending is offered to them, so that a shutdown loses no message that was
// acknowledged before it says goodbye to them. It returns earlier when ctx ends.
func (h *Hub) Settle(ctx context.Context, conns []netpoll.Conn) {
	if waitAll(ctx, calls(conns)) {
		waitAll(ctx, h.sweeps(conns))
	}
}

// waitAll waits until all channels are closed; false if ctx ends earlier.
func waitAll(ctx context.Context, waits []<-chan struct{}) bool {
	for _, done := range waits {
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// calls are the calls of some connections that are under way, by their ends.
func calls(conns []netpoll.Conn) (waits []<-chan struct{}) {
	for _, c := range conns {
		p := principalOf(c)
		if p == nil {
			continue
		}
		if more := p.more.Load(); more != nil {
			if call := more.call.Load(); call != nil {
				waits = append(waits, call.over)
			}
		}
	}
	return waits
}

// sweeps begins the sweeps of what is pending for some connections.
func (h *Hub) sweeps(conns []netpoll.Conn) (waits []<-chan struct{}) {
	seen := map[*shard]bool{}
	for _, c := range conns {
		for _, m := range h.memberships(c) {
			m.Room.mu.Lock()
			if sh := m.Room.shardLocked(m); sh != nil && !seen[sh] {
				seen[sh] = true
				if done := sh.settleLocked(); done != nil {
					waits = append(waits, done)
				}
			}
			m.Room.mu.Unlock()
		}
	}
	return waits
}

// memberships are those that a connection has now, in either dialect.
func (h *Hub) memberships(c netpoll.Conn) (all []Member) {
	if m, ok := h.Member(c); ok {
		return []Member{m}
	}
	if s := sessionOf(c); s != nil {
		return s.Members()
	}
	return nil
}

// shardLocked is the shard that serves a member; nil if the member has left, or if nothing
// is on its way to anybody in the room.
func (r *Room) shardLocked(m Member) *shard {
	if r.active == nil {
		return nil
	}
	g := r.groups[m.Kind]
	if g == nil || m.Slot.shard() >= len(g.shards) {
		return nil
	}
	sh := g.shards[m.Slot.shard()]
	if i := m.Slot.place(); i >= len(sh.places) || sh.places[i].id != m.Conn.ID() {
		return nil
	}
	return sh
}

// settleLocked ends the shard's pause and returns a channel that is closed when all
// that is in the log now has been swept; nil if that is so already. Room.mu is
// held.
func (sh *shard) settleLocked() <-chan struct{} {
	end := sh.g.log.End()
	if sh.cursor >= end {
		return nil
	}
	if sh.resting {
		sh.stopResting()
		sh.resting = false
	}
	done := make(chan struct{})
	sh.settling = append(sh.settling, settling{end, done})
	sh.wakeLocked(0)
	return done
}

// settledLocked releases the goroutines whose part of the log has been swept, and
// all of them when the shard has no members any more. Room.mu is held.
func (sh *shard) settledLocked() {
	left := sh.settling[:0]
	for _, w := range sh.settling {
		if sh.cursor >= w.end || sh.g.members == 0 {
			close(w.done)
		} else {
			left = append(left, w)
		}
	}
	if sh.settling = left; len(left) == 0 {
		sh.settling = nil
	}
}
