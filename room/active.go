package room

import (
	"maps"
	"slices"
	"sync"
	"time"

	"webim/netpoll"
)

// Nothing happens in most rooms at most times. So what a room needs to have messages on
// their way is made when the first of them comes, and goes when none has come for a while:
// a small room that is not active knows no more of its members than who they are and where
// they sit. Whoever is about to use what is in active calls activateLocked first; whoever
// only asks treats nil as nothing.

// active is what a room has while something happens in it. Guarded by Room.mu.
type active struct {
	groups  [numKinds]*group
	present presenceCount
	typists typists
	notices *noticeQueue // nil: nobody has listened to a notice yet
	flowControl

	leaving map[netpoll.ID]*shard // who left while a sweep had a batch with them
	lost    []Session             // to be told of a gap, see gap.go
	used    bool                  // since Hub.calm looked last
}

// idleSeat is a member of a room that is not active.
type idleSeat struct {
	id   netpoll.ID
	slot Slot
	kind Kind
}

const (
	// maxIdle is the most members of a room that is not active: to make it active again
	// takes a microsecond. A member of a larger room costs little beside its seat.
	maxIdle = 8
	// calmEvery: a room is active for one to two times as long after the last message.
	// It is long, because a room with a message in each of these times would make all anew.
	calmEvery = 10 * time.Second
)

// activateLocked makes the room active. Its logs begin anew, and nobody is owed anything.
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
	r.hub.actives.add(r)
}

// restore gives a member the seat back that it had before the room was idle.
func (g *group) restore(r *Room, one idleSeat) {
	for len(g.shards) <= one.slot.shard() {
		g.shards = append(g.shards, newShard(r, g))
	}
	sh := g.shards[one.slot.shard()]
	for len(sh.places) <= one.slot.place() {
		sh.free = append(sh.free, uint16(len(sh.places)))
		sh.places = append(sh.places, place{})
	}
	sh.free = slices.DeleteFunc(sh.free, func(i uint16) bool { return int(i) == one.slot.place() })
	sh.places[one.slot.place()].id = one.id
	g.members++
}

// sitIdleLocked gives a member a seat in a room that is not active.
func (r *Room) sitIdleLocked(id netpoll.ID, k Kind) Slot {
	one := idleSeat{id: id, kind: k}
	for slices.ContainsFunc(r.idle, func(o idleSeat) bool { return o.kind == k && o.slot == one.slot }) {
		one.slot++
	}
	r.idle = append(r.idle, one)
	return one.slot
}

// leaveIdleLocked frees such a seat; false if somebody else has it.
func (r *Room) leaveIdleLocked(m Member) bool {
	i := slices.Index(r.idle, idleSeat{m.Conn.ID(), m.Slot, m.Kind})
	if i < 0 {
		return false
	}
	r.idle = slices.Delete(r.idle, i, i+1)
	return true
}

// calmLocked makes a room idle that was not used since it was last called.
func (r *Room) calmLocked(now time.Time) {
	if r.active == nil {
		return
	}
	if r.used || !r.isCalmLocked(now) {
		r.used = false
		return
	}
	var idle []idleSeat
	for k, g := range r.groups {
		if g == nil {
			continue
		}
		for i, sh := range g.shards {
			for place, p := range sh.places {
				if p.id != 0 {
					idle = append(idle, idleSeat{p.id, slotOf(i, place), Kind(k)})
				}
			}
		}
	}
	r.idle, r.active = slices.Clip(idle), nil
	r.hub.actives.remove(r)
}

// isCalmLocked reports whether nothing is under way in an active room. A turn of one of its
// shards may still be queued then; it finds nothing to do.
func (r *Room) isCalmLocked(now time.Time) bool {
	if r.seatedLocked() > maxIdle || len(r.leaving)+len(r.lost) > 0 || r.isTakenLocked() {
		return false
	}
	if len(r.typists.waiting) > 0 || now.Before(r.typists.next) || !r.notices.isCalm(r.hub.now()) {
		return false
	}
	for _, g := range r.groups {
		if g != nil && slices.ContainsFunc(g.shards, func(sh *shard) bool { return !sh.isCalmLocked() }) {
			return false
		}
	}
	return true
}

// isTakenLocked reports whether somebody has been let in by flow control, or waits for it.
func (t *flowControl) isTakenLocked() bool {
	return t.admitted+t.reserved > 0 || t.waiting.Len()+len(t.senders) > 0
}

// isCalm reports whether the notices can be forgotten; nil: there are none.
func (q *noticeQueue) isCalm(now int64) bool {
	return q == nil || q.waiting.Len() == 0 && !q.timed && now >= q.presented && q.spent.Debt(noticeRate, now) == 0
}

// isCalmLocked reports whether the shard has swept all, and does not rest. A cut that is
// being swept is before its cursor's end.
func (sh *shard) isCalmLocked() bool {
	return sh.cursor == sh.g.log.End() && !sh.resting && len(sh.settling) == 0
}

// actives are the rooms that are active.
type actives struct {
	mu  sync.Mutex // innermost
	all map[*Room]struct{}
}

func (a *actives) add(r *Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[*Room]struct{}{}
	}
	a.all[r] = struct{}{}
}

func (a *actives) remove(r *Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if delete(a.all, r); len(a.all) == 0 {
		a.all = nil // Go's maps do not shrink
	}
}

func (a *actives) list() []*Room {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.all))
}

// calm makes rooms idle in which nothing happens. It takes some 50 ns for each room that is
// active.
func (h *Hub) calm() {
	now := time.Now()
	for _, r := range h.actives.list() {
		r.mu.Lock()
		r.calmLocked(now)
		r.mu.Unlock()
	}
}
