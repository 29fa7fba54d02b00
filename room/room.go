package room

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/internal/latency"
	"webim/room/internal/notices"
	"webim/room/policy"
	"webim/room/wire"
)

// Room is a room on this node: its members, and the messages on their way to them. It exists
// while it has members. In most rooms nothing is on its way: such a room takes 128 bytes, and 16
// for each member, see active.go. This file has all of the state that Room.mu guards, except that of the
// joins under way (pending.go).
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

// shardLen is the number of members that share a cursor and a turn. It is so small that a room of a
// thousand members keeps two workers busy.
const shardLen = 512

// shardSlot is a member of a shard: its connection, and the end of the log when it took the slot.
type shardSlot struct {
	id   netpoll.ID // 0: the slot is free
	from uint64
}

// shard sweeps up to shardLen members of a room. It is a turn of the workers: it never runs twice
// at once, and no worker waits for it.
type shard struct {
	room *Room
	g    *group
	turn *netpoll.Turn

	// Guarded by Room.mu.
	slots       []shardSlot // by index
	free        []uint16    // the indexes of free slots
	cursor      uint64      // the position in the log up to which all members were served
	pausing     bool        // the timer will wake the turn
	timer       *time.Timer
	batchStart  int          // slots[batchStart:batchEnd] are the current batch, which is served without the lock
	leftInBatch []netpoll.ID // connections of the current batch that have left the room since

	settleWaiters []settleWaiter // see settle.go
	latency       latency.Shard

	// Owned by the turn, which writes batchEnd under Room.mu.
	cut        netpoll.Cut   // the cut that is being swept; empty between sweeps
	partialCut bool          // more was pending than the cut has
	batchEnd   int           // the index of the slot that is served next
	elapsed    time.Duration // the time that the batches of this sweep took
}

// A settleWaiter is a goroutine in Hub.Settle. It waits until a shard has swept everything that
// was in the log when the goroutine came. While one waits, the shard does not pause between
// sweeps.
type settleWaiter struct {
	end  uint64        // the end of the log at that time
	done chan struct{} // closed when the cursor of the shard has reached end
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

// Member is the membership of a connection in a room.
type Member struct {
	Room *Room
	Conn netpoll.Conn
	Kind Kind // of the frames that the member takes
	Slot Slot
}

// A Kind says which frames a member takes, as one number: the dialect, the variant of the frames,
// and whether the member gets notices of joins and leaves.
type Kind uint8

const numKinds = 2 * encode.NumDialects * int(netpoll.NumVariants)

func kindOf(d encode.Dialect, v netpoll.Variant, notices bool) Kind {
	k := int(d)*int(netpoll.NumVariants) + int(v)
	if notices {
		k += numKinds / 2
	}
	return Kind(k)
}

// SessionKind returns the kind of the frames that a session takes. notices: it gets notices of
// joins and leaves.
func SessionKind(e wire.Encoding, v netpoll.Variant, notices bool) Kind {
	return kindOf(encode.DialectOf(e), v, notices)
}

func (k Kind) dialect() encode.Dialect {
	return encode.Dialect(int(k) / int(netpoll.NumVariants) % encode.NumDialects)
}

func (k Kind) variant() netpoll.Variant { return netpoll.Variant(int(k) % int(netpoll.NumVariants)) }

// Notices reports whether the member gets notices of joins and leaves.
func (k Kind) Notices() bool { return int(k) >= numKinds/2 }

// idleMember is a member of an idle room.
type idleMember struct {
	id   netpoll.ID
	slot Slot
	kind Kind
}

// active is the state of a room in which something happens. Guarded by Room.mu.
type active struct {
	groups   [numKinds]*group
	presence presenceCount
	typists  typists
	notices  *noticeQueue // nil: no member has listened to a notice yet
	flowControl

	leftInBatch map[netpoll.ID]*shard // connections that left while they were in the current batch of a shard
	lost        []Session             // to be told of a gap, see gap.go
	used        bool                  // since the last Hub.deactivateIdle
}

// flowControl bounds the bytes that a room has to sweep, see flowcontrol.go. Guarded by Room.mu.
type flowControl struct {
	acquired uint64 // bytes of messages that the engine has not answered yet
	resumed  uint64 // bytes that are reserved for resumed senders
	waiting  list.List
	senders  map[netpoll.ID]*sender // those that wait or are resumed; nil before the first one
}

// sender is a member whose message netpoll keeps.
type sender struct {
	conn    netpoll.Conn
	size    uint64
	done    func()
	element *list.Element // in flowControl.waiting; nil: it is resumed
	overdue bool          // it was already resumed at the last Hub.reclaimResumed
}

// typists are the users that have typed in a room since its members were told last. Guarded by
// Room.mu.
type typists struct {
	next    time.Time       // the members are told nothing before this time
	waiting []engine.Author // the users that are named at that time; empty: no call is scheduled
}

// A presenceCount counts the members of a room by user. It is made when the room is asked for the
// first time, by a walk that takes about 50 ns for each member. Most rooms are never asked, and
// then it costs nothing. From then on each member that comes or goes changes the count, and a
// question needs no walk. It takes about 60 bytes for each user, as long as the room is active.
// Guarded by Room.mu.
type presenceCount struct {
	started bool
	byUser  map[string]int32
	named   int // the number of members that have a user
}

// noticeQueue sends the notices of a room. Guarded by Room.mu.
type noticeQueue struct {
	notices.Queue
	scheduled bool // a call of sendWaitingNotices is scheduled
}

// isIdle reports whether the queue can be dropped; nil can.
func (q *noticeQueue) isIdle(now int64) bool { return q == nil || !q.scheduled && q.IsIdle(now) }
