package room

import (
	"slices"
	"time"

	"webim/netpoll"
)

// In most rooms nothing happens most of the time. So the structures that a room needs to deliver
// messages are made when the first message comes, and dropped when none has come for a while. An
// idle room knows only the connections, kinds and slots of its members. Code that is about to use
// a field of active calls activateLocked first; code that only reads treats nil as empty.

const (
	// maxIdle is the largest number of members of an idle room, which takes a microsecond to make
	// active again. In a larger room, the memory that is active takes is little beside that of
	// the members.
	maxIdle = 8
	// idleEvery: a room stays active for one to two times as long after its last message. It is
	// long, because a room that gets a message in each such period would make everything anew
	// each time.
	idleEvery = 10 * time.Second
)

// activateLocked makes the room active. Its logs begin empty, so nothing is owed to any member.
func (r *Room) activateLocked() {
	if r.active != nil {
		r.used = true
		return
	}
	r.active = &active{used: true}
	for _, one := range r.idle {
		r.groupLocked(one.kind).restore(r, one)
	}
	r.idle = nil
	r.hub.activeRooms.add(r)
}

// restore gives a member the slot that it had in the idle room.
func (g *group) restore(r *Room, one idleMember) {
	for len(g.shards) <= one.slot.shard() {
		g.shards = append(g.shards, newShard(r, g))
	}
	sh := g.shards[one.slot.shard()]
	for len(sh.slots) <= one.slot.index() {
		sh.free = append(sh.free, uint16(len(sh.slots)))
		sh.slots = append(sh.slots, shardSlot{})
	}
	sh.free = slices.DeleteFunc(sh.free, func(i uint16) bool { return int(i) == one.slot.index() })
	sh.slots[one.slot.index()].id = one.id
	g.members++
}

// takeIdleSlotLocked gives a slot of the idle room to a member.
func (r *Room) takeIdleSlotLocked(id netpoll.ID, k Kind) Slot {
	one := idleMember{id: id, kind: k}
	for slices.ContainsFunc(r.idle, func(o idleMember) bool { return o.kind == k && o.slot == one.slot }) {
		one.slot++
	}
	r.idle = append(r.idle, one)
	return one.slot
}

// releaseIdleSlotLocked frees a slot of the idle room; false if another member has it.
func (r *Room) releaseIdleSlotLocked(m Member) bool {
	i := slices.Index(r.idle, idleMember{m.Conn.ID(), m.Slot, m.Kind})
	if i < 0 {
		return false
	}
	r.idle = slices.Delete(r.idle, i, i+1)
	return true
}

// deactivateLocked makes the room idle if it was not used since the last call, and nothing is
// under way in it.
func (r *Room) deactivateLocked(now time.Time) {
	if r.active == nil {
		return
	}
	if r.used || !r.isIdleLocked(now) {
		r.used = false
		return
	}
	var idle []idleMember
	for k, g := range r.groups {
		if g == nil {
			continue
		}
		for i, sh := range g.shards {
			for index, p := range sh.slots {
				if p.id != 0 {
					idle = append(idle, idleMember{p.id, slotOf(i, index), Kind(k)})
				}
			}
		}
	}
	r.idle, r.active = slices.Clip(idle), nil
	r.hub.activeRooms.remove(r)
}

// isIdleLocked reports whether nothing is under way in an active room. A turn of one of its
// shards may still be queued; it will find nothing to do.
func (r *Room) isIdleLocked(now time.Time) bool {
	if r.slotsInUseLocked() > maxIdle || len(r.leftInBatch)+len(r.lost) > 0 || r.busyLocked() {
		return false
	}
	if len(r.typists.waiting) > 0 || now.Before(r.typists.next) || !r.notices.isIdle(r.hub.now()) {
		return false
	}
	for _, g := range r.groups {
		if g != nil && slices.ContainsFunc(g.shards, func(sh *shard) bool { return !sh.isIdleLocked() }) {
			return false
		}
	}
	return true
}

// busyLocked reports whether a sender has acquired bytes, was resumed, or waits.
func (t *flowControl) busyLocked() bool {
	return t.acquired+t.resumed > 0 || t.waiting.Len()+len(t.senders) > 0
}

// deactivateIdle makes rooms idle in which nothing happens. It takes about 50 ns for each active
// room.
func (h *Hub) deactivateIdle() {
	now := time.Now()
	for _, r := range h.activeRooms.list() {
		r.mu.Lock()
		r.deactivateLocked(now)
		r.mu.Unlock()
	}
}
