package room

import (
	"time"

	"webim/netpoll"
	"webim/room/identity"
	"webim/room/internal/encode"
)

// directMembers is the largest number of members of a shard that the worker which decoded the message may
// sweep itself.
const directMembers = 64

func newShard(r *Room, g *group) *shard {
	sh := &shard{room: r, g: g, cursor: g.log.End()}
	sh.turn = r.hub.server.NewTurn(sh.sweep)
	return sh
}

// takeSlot takes a free slot; false if there is none. Room.mu is held.
func (sh *shard) takeSlot(id netpoll.ID) (int, bool) {
	p := shardSlot{id, sh.g.log.End()}
	if k := len(sh.free); k > 0 {
		i := int(sh.free[k-1])
		sh.free = sh.free[:k-1]
		sh.slots[i] = p
		return i, true
	}
	if len(sh.slots) == shardLen {
		return 0, false
	}
	sh.slots = append(sh.slots, p)
	return len(sh.slots) - 1, true
}

// releaseSlot frees a slot; false if another member has it. Room.mu is held.
func (sh *shard) releaseSlot(i int, id netpoll.ID) bool {
	if i >= len(sh.slots) || sh.slots[i].id != id {
		return false
	}
	sh.slots[i] = shardSlot{}
	sh.free = append(sh.free, uint16(i))
	return true
}

// inBatch reports whether a slot is in the current batch. Even if its member has left, messages
// of the cut may still be queued for the connection. Room.mu is held.
func (sh *shard) inBatch(index int) bool { return index >= sh.batchStart && index < sh.batchEnd }

// wakeLocked queues the turn, unless the shard pauses: then its timer will do so. If the shard
// has few members, and a callback of the connection origin is running, the worker that runs the
// callback also sweeps the shard, right after the connection's turn. A lone message of a small
// room has nothing to wait for, and the ready list and a second worker cost as much as the write
// to a member or two. All messages that the turn publishes leave in that one sweep.
func (sh *shard) wakeLocked(origin netpoll.ID) {
	switch n := len(sh.slots) - len(sh.free); {
	case sh.pausing:
	case origin != 0 && n <= directMembers:
		sh.turn.WakeAfter(origin, n)
	default:
		sh.turn.Wake()
	}
}

// cancelPauseLocked stops the timer that would end the pause. Room.mu is held.
func (sh *shard) cancelPauseLocked() {
	if sh.timer != nil {
		sh.timer.Stop()
	}
}

// hurryLocked ends the pause of the shard, and wakes it. Room.mu is held.
func (sh *shard) hurryLocked() {
	if sh.pausing {
		sh.cancelPauseLocked()
		sh.pausing = false
	}
	sh.wakeLocked(0)
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

// isIdleLocked reports whether the shard has swept everything and does not pause. During a sweep
// the cursor is before the end of the log.
func (sh *shard) isIdleLocked() bool {
	return sh.cursor == sh.g.log.End() && !sh.pausing && len(sh.settleWaiters) == 0
}

// groupLocked returns the group of a kind, and makes it if there is none. The room is active.
func (r *Room) groupLocked(k Kind) *group {
	g := r.groups[k]
	if g == nil {
		g = &group{log: r.hub.server.NewLog(k.variant())}
		r.groups[k] = g
	}
	return g
}

// appendLocked appends a message to the logs of the groups, and wakes their shards. If notice is
// set, it leaves out the groups that get no notices. origin is the connection that sent
// the message; 0: none. The room is active. appendLocked returns the bytes that the message makes
// for all members, before compression.
func (r *Room) appendLocked(origin netpoll.ID, notice bool, message func(d encode.Dialect, dst []byte) encode.Message) (bytes int) {
	all := encode.NewSet()
	defer all.Free()
	var now int64 // the hub's clock, read once, and only if a shard has nothing else pending
	for k, g := range r.groups {
		if g == nil || notice && !Kind(k).Notices() {
			continue
		}
		m := all.Get(Kind(k).dialect(), message)
		if m.Op == 0 {
			continue
		}
		g.log.Append(m.Op, m.Data)
		bytes += g.members * len(m.Data)
		for _, sh := range g.shards {
			if !sh.latency.Pending() {
				if now == 0 {
					now = r.hub.clock(time.Now())
				}
				sh.latency.Arrived(now)
			}
			sh.wakeLocked(origin)
		}
	}
	return bytes
}

// unsweptLocked returns how many bytes the slowest shard has not swept.
func (r *Room) unsweptLocked() (n uint64) {
	if r.active == nil {
		return 0
	}
	for _, g := range r.groups {
		if g == nil {
			continue
		}
		for _, sh := range g.shards {
			n = max(n, g.log.End()-sh.cursor)
		}
	}
	return n
}

// anyKind selects the members of all kinds.
func anyKind(Kind) bool { return true }

// appendIDsLocked appends the connections of the members of some kinds. Room.mu is held.
func (r *Room) appendIDsLocked(ids []netpoll.ID, selects func(Kind) bool) []netpoll.ID {
	if r.active == nil {
		for _, one := range r.idle {
			if selects(one.kind) {
				ids = append(ids, one.id)
			}
		}
		return ids
	}
	for k, g := range r.groups {
		if g == nil || !selects(Kind(k)) {
			continue
		}
		for _, sh := range g.shards {
			for _, p := range sh.slots {
				if p.id != 0 {
					ids = append(ids, p.id)
				}
			}
		}
	}
	return ids
}

// countSlotsLocked counts the slots that members of some kinds have. Room.mu is held.
func (r *Room) countSlotsLocked(selects func(Kind) bool) (n int) {
	if r.active == nil {
		for _, one := range r.idle {
			if selects(one.kind) {
				n++
			}
		}
		return n
	}
	for k, g := range r.groups {
		if g != nil && selects(Kind(k)) {
			n += g.members
		}
	}
	return n
}

// slotsInUseLocked counts the slots that members have. Room.mu is held.
func (r *Room) slotsInUseLocked() int { return r.countSlotsLocked(anyKind) }

// countUserLocked adds a member to the presence count or, with -1, removes it.
func (r *Room) countUserLocked(c netpoll.Conn, by int32) {
	if r.active == nil {
		return
	}
	n := &r.presence
	if !n.started {
		return
	}
	user := identity.Of(c).User // it does not change while the member has its slot
	if user == "" {
		return
	}
	n.named += int(by)
	if left := n.byUser[user] + by; left > 0 {
		n.byUser[user] = left
	} else {
		delete(n.byUser, user)
	}
}
