package room

import (
	"context"

	"webim/netpoll"
)

// A settleWaiter is a goroutine in Hub.Settle. It waits until a shard has swept everything that
// was in the log when the goroutine came. While one waits, the shard does not pause between
// sweeps.
type settleWaiter struct {
	end  uint64        // the end of the log at that time
	done chan struct{} // closed when the cursor of the shard has reached end
}

// Settle implements netpoll.Settler, for a shutdown. It waits until the calls of the connections
// are answered, and until the pending messages of their rooms have been offered to them. So a
// shutdown loses no acknowledged message before it closes the connections. Settle returns earlier
// when ctx ends.
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

// calls returns a channel for each call of the connections that is under way. It is closed when
// the call ends.
func calls(conns []netpoll.Conn) (waits []<-chan struct{}) {
	for _, c := range conns {
		s := SessionOf(c)
		if s == nil {
			continue
		}
		if busy := s.state().busy.Load(); busy != nil {
			if call := busy.call.Load(); call != nil {
				waits = append(waits, *call)
			}
		}
	}
	return waits
}

// sweeps begins to sweep the pending messages of the connections, and returns a channel for each
// shard that has some. It is closed when the shard has swept them.
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

// memberships returns the memberships of a connection of any dialect.
func (h *Hub) memberships(c netpoll.Conn) (all []Member) {
	if m, ok := h.Member(c); ok {
		return []Member{m}
	}
	if s := SessionOf(c); s != nil {
		return s.Members()
	}
	return nil
}

// shardLocked returns the shard that serves a member; nil if the member has left, or if the room
// is not active.
func (r *Room) shardLocked(m Member) *shard {
	if r.active == nil {
		return nil
	}
	g := r.groups[m.Kind]
	if g == nil || m.Slot.shard() >= len(g.shards) {
		return nil
	}
	sh := g.shards[m.Slot.shard()]
	if i := m.Slot.index(); i >= len(sh.slots) || sh.slots[i].id != m.Conn.ID() {
		return nil
	}
	return sh
}

// settleLocked ends the pause of the shard, and returns a channel that is closed when the shard
// has swept everything that is in the log now; nil if it has done so already. Room.mu is held.
func (sh *shard) settleLocked() <-chan struct{} {
	end := sh.g.log.End()
	if sh.cursor >= end {
		return nil
	}
	if sh.pausing {
		sh.cancelPauseLocked()
		sh.pausing = false
	}
	done := make(chan struct{})
	sh.settleWaiters = append(sh.settleWaiters, settleWaiter{end, done})
	sh.wakeLocked(0)
	return done
}

// releaseSettledLocked releases the goroutines whose part of the log has been swept, or all of
// them if the group has no members any more. Room.mu is held.
func (sh *shard) releaseSettledLocked() {
	left := sh.settleWaiters[:0]
	for _, w := range sh.settleWaiters {
		if sh.cursor >= w.end || sh.g.members == 0 {
			close(w.done)
		} else {
			left = append(left, w)
		}
	}
	if sh.settleWaiters = left; len(left) == 0 {
		sh.settleWaiters = nil
	}
}
