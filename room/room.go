package room

import (
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
)

// Room is a room on this node: its members, and the messages on their way to them. It exists
// while it has members. In most rooms nothing is on its way: such a room takes 128 bytes, and 16
// for each member, see active.go.
type Room struct {
	hub   *Hub
	name  string
	num   uint32 // its index in Hub.byNum
	opts  atomic.Pointer[policy.Options]
	payer budget.Owner // pays for its place under Config.MaxRooms, and for what the engine keeps of it

	mu      sync.Mutex
	ended   bool
	members int32           // those that have a slot, and those that pending joins have reserved
	top     engine.Position // of the last publication that was delivered; no epoch: Begin was not called yet
	pending *PendingJoin    // the first pending join
	idle    []idleMember    // the members that have a slot, while active is nil
	*active                 // nil: nothing happens in the room
}

// group is the members of a room that take one kind of frames, and their log. Guarded by Room.mu.
type group struct {
	log     *netpoll.Log
	shards  []*shard
	members int
}

// A Slot says where a room keeps a member: in which shard of the group of its kind, and at which
// index in the shard.
type Slot uint32

func slotOf(shard, place int) Slot { return Slot(shard*shardLen + place) }
func (s Slot) shard() int          { return int(s) / shardLen }
func (s Slot) index() int          { return int(s) % shardLen }

// tag packs the number of a room and a slot into the tag of a connection, which is never 0.
func (s Slot) tag(room uint32) uint64 { return uint64(room)<<32 | uint64(s+1) }

func fromTag(tag uint64) (room uint32, s Slot, ok bool) {
	return uint32(tag >> 32), Slot(uint32(tag)) - 1, tag != 0
}

// Name returns the name of the room.
func (r *Room) Name() string { return r.name }

// Len returns the number of members that the room has on this node.
func (r *Room) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(r.members)
}

// join makes a connection a member and returns its slot. The error is errEnded or ErrRoomFull.
func (r *Room) join(c netpoll.Conn, k Kind) (Slot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reserveLocked(); err != nil {
		return 0, err
	}
	return r.takeSlotLocked(c, k), nil
}

// reserveLocked counts one more member, which keeps the room from ending. The error is errEnded
// or ErrRoomFull.
func (r *Room) reserveLocked() error {
	if r.ended {
		return errEnded
	}
	if n := r.hub.Config().MaxMembers; n > 0 && int(r.members) >= n {
		return ErrRoomFull
	}
	r.members++
	return nil
}

// takeSlotLocked gives a slot to a member that was reserved. From now on the member is owed every
// message behind the end of its log.
func (r *Room) takeSlotLocked(c netpoll.Conn, k Kind) Slot {
	if r.active == nil && len(r.idle) < maxIdle {
		return r.takeIdleSlotLocked(c.ID(), k)
	}
	r.activateLocked()
	g := r.groupLocked(k)
	g.members++
	r.countUserLocked(c, 1)
	for i, sh := range g.shards {
		if index, ok := sh.takeSlot(c.ID()); ok {
			return slotOf(i, index)
		}
	}
	sh := newShard(r, g)
	g.shards = append(g.shards, sh)
	index, _ := sh.takeSlot(c.ID())
	return slotOf(len(g.shards)-1, index)
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

// leave releases the slot of a member, and reports whether the room is empty now.
func (r *Room) leave(m Member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaveLocked(m)
}

func (r *Room) leaveLocked(m Member) bool {
	if r.active == nil {
		if !r.releaseIdleSlotLocked(m) {
			return false
		}
		r.members--
		return r.members == 0
	}
	g := r.groups[m.Kind]
	sh := g.shards[m.Slot.shard()]
	if !sh.releaseSlot(m.Slot.index(), m.Conn.ID()) {
		return false
	}
	if sh.inBatch(m.Slot.index()) {
		if r.leftInBatch == nil {
			r.leftInBatch = map[netpoll.ID]*shard{}
		}
		r.leftInBatch[m.Conn.ID()] = sh
		sh.leftInBatch = append(sh.leftInBatch, m.Conn.ID())
	}
	r.members--
	r.countUserLocked(m.Conn, -1)
	r.dropSenderLocked(r.senders[m.Conn.ID()])
	if g.members--; g.members == 0 {
		for _, sh := range g.shards {
			sh.cancelPauseLocked()
			sh.releaseSettledLocked()
		}
		r.groups[m.Kind] = nil
	}
	r.resumeSendersLocked() // senders may have waited for bytes of this member, or of this group
	return r.members == 0
}

// tryEnd marks the room as ended, so that nobody can join it any more. It returns false if the
// room has members, if a current batch has a member that left, or if the room has ended before.
func (r *Room) tryEnd() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members > 0 || r.ended || r.active != nil && len(r.leftInBatch) > 0 {
		return false
	}
	if r.ended = true; r.active != nil {
		r.hub.activeRooms.remove(r)
	}
	return true
}

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

// forgetSweptLocked is called at the end of each sweep. It frees the memory of the log that all
// shards have swept, and resumes senders, see resumeSendersLocked.
func (r *Room) forgetSweptLocked(g *group) {
	least := g.log.End()
	for _, sh := range g.shards {
		least = min(least, sh.cursor)
	}
	g.log.Forget(least)
	r.resumeSendersLocked()
}
