package room

import (
	"sync"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
)

// Room is the members of a room on this node and what is on its way to them.
// It exists while it has members. Of most rooms nothing is on its way: such a room takes
// 128 bytes and 16 a member, see active.go.
type Room struct {
	hub   *Hub
	name  string
	num   uint32
	opts  *Options
	payer budget.Owner // of its place among the rooms, and of what the engine remembers

	mu      sync.Mutex
	ended   bool
	members int32
	top     engine.Position // of the last publication that was delivered; no epoch: not begun
	pending *PendingJoin    // joins under way, the first of them
	idle    []idleSeat      // the members, while active is nil
	*active                 // what only a room has in which something happens; nil: nothing does
}

// A Slot is a member's place: a shard of its variant's group, and a place there.
type Slot uint32

func slotOf(shard, place int) Slot { return Slot(shard*shardLen + place) }
func (s Slot) shard() int          { return int(s) / shardLen }
func (s Slot) place() int          { return int(s) % shardLen }

// tag packs a room's number and a slot into a connection's tag, never 0.
func (s Slot) tag(room uint32) uint64 { return uint64(room)<<32 | uint64(s+1) }

func fromTag(tag uint64) (room uint32, s Slot, ok bool) {
	return uint32(tag >> 32), Slot(uint32(tag)) - 1, tag != 0
}

// Name is the room's name.
func (r *Room) Name() string { return r.name }

// Len is how many members the room has on this node.
func (r *Room) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(r.members)
}

// join gives a connection a slot, or errEnded, or ErrRoomFull.
func (r *Room) join(c netpoll.Conn, k Kind) (Slot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enterLocked(); err != nil {
		return 0, err
	}
	return r.sitLocked(c, k), nil
}

// enterLocked counts a member in, which keeps the room, or returns errEnded or
// ErrRoomFull.
func (r *Room) enterLocked() error {
	if r.ended {
		return errEnded
	}
	if n := r.hub.cfg.MaxMembers; n > 0 && int(r.members) >= n {
		return ErrRoomFull
	}
	r.members++
	return nil
}

// sitLocked gives a member that has entered a slot. From here on it is owed
// what comes behind the log's end.
func (r *Room) sitLocked(c netpoll.Conn, k Kind) Slot {
	if r.active == nil && len(r.idle) < maxIdle {
		return r.sitIdleLocked(c.ID(), k)
	}
	r.activateLocked()
	g := r.groupLocked(k)
	g.members++
	r.countLocked(c, 1)
	for i, sh := range g.shards {
		if place, ok := sh.seat(c.ID()); ok {
			return slotOf(i, place)
		}
	}
	sh := newShard(r, g)
	g.shards = append(g.shards, sh)
	place, _ := sh.seat(c.ID())
	return slotOf(len(g.shards)-1, place)
}

// groupLocked is the group of a kind, which is made if need be. The room is active.
func (r *Room) groupLocked(k Kind) *group {
	g := r.groups[k]
	if g == nil {
		g = &group{log: r.hub.server.NewLog(k.variant())}
		r.groups[k] = g
	}
	return g
}

// leave frees a slot; it reports whether the room is empty now.
func (r *Room) leave(m Member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaveLocked(m)
}

func (r *Room) leaveLocked(m Member) bool {
	if r.active == nil {
		if !r.leaveIdleLocked(m) {
			return false
		}
		r.members--
		return r.members == 0
	}
	g := r.groups[m.Kind]
	sh := g.shards[m.Slot.shard()]
	if !sh.unseat(m.Slot.place(), m.Conn.ID()) {
		return false
	}
	if sh.hasInHand(m.Slot.place()) {
		if r.leaving == nil {
			r.leaving = map[netpoll.ID]*shard{}
		}
		r.leaving[m.Conn.ID()] = sh
		sh.left = append(sh.left, m.Conn.ID())
	}
	r.members--
	r.countLocked(m.Conn, -1)
	r.dropLocked(r.senders[m.Conn.ID()])
	if g.members--; g.members == 0 {
		for _, sh := range g.shards {
			sh.stopResting()
			sh.settledLocked()
		}
		r.groups[m.Kind] = nil
	}
	r.admitWaitingLocked() // others may have waited for this member, or this group
	return r.members == 0
}

// end marks an empty room as ended, so that nobody joins it any more.
func (r *Room) end() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members > 0 || r.ended || r.active != nil && len(r.leaving) > 0 {
		return false
	}
	if r.ended = true; r.active != nil {
		r.hub.actives.remove(r)
	}
	return true
}

// Begin implements engine.Subscriber.
func (r *Room) Begin(at engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.top.Epoch != "" {
		r.lostLocked()
	}
	r.top = at
	r.seatLocked()
}

// Deliver implements engine.Subscriber: the message is encoded once for each dialect
// in use, and compressed once for each variant, and the shards are woken that
// are not resting.
func (r *Room) Deliver(p engine.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Prev != r.top.Offset {
		r.lostLocked()
	}
	r.activateLocked()
	r.appendLocked(netpoll.ID(p.Origin), false, func(dialect int, dst []byte) encoded { return encodePublication(&p, r.name, dialect, dst) })
	if len(r.typists.waiting) > 0 {
		r.spokeLocked(p.From)
	}
	r.top.Offset = p.Offset // who is seated from here on is owed what comes behind it
	r.catchLocked(p)
	r.seatLocked()
}

// Notify implements engine.Subscriber: members that asked for it learn who came or
// went, see noticeQueue.
func (r *Room) Notify(n engine.Notice) {
	if n.Typing {
		r.typing(n.Who)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noticedLocked(n)
}

// appendLocked puts a message into the groups' logs, and wakes their shards; by is
// the Origin of a message. The room is active. It returns how many bytes that makes
// for all members, before compression.
func (r *Room) appendLocked(by netpoll.ID, notice bool, encode func(dialect int, dst []byte) encoded) (bytes int) {
	all := allEncodings.Get().(*encodings)
	defer all.give()
	var now int64 // read once, and only if a shard has nothing else before it
	for k, g := range r.groups {
		if g == nil || notice && !Kind(k).notices() {
			continue
		}
		e := all.get(Kind(k).dialect(), encode)
		if e.op == 0 {
			continue
		}
		g.log.Append(e.op, e.data)
		bytes += g.members * len(e.data)
		for _, sh := range g.shards {
			sh.cameLocked(&now)
			sh.wakeLocked(by)
		}
	}
	return bytes
}

// unsweptLocked is how many bytes the slowest shard has before it.
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

// sweptLocked is called at each sweep's end: memory that all shards have
// passed is let go, and senders that wait are read again.
func (r *Room) sweptLocked(g *group) {
	least := g.log.End()
	for _, sh := range g.shards {
		least = min(least, sh.cursor)
	}
	g.log.Forget(least)
	r.admitWaitingLocked()
}
