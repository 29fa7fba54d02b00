package room

import (
	"container/list"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/internal/latency"
	"webim/room/internal/notices"
	"webim/room/internal/pause"
	"webim/room/internal/timers"
	"webim/room/slowmode"
)

// The names of package room that package room_test uses.

const DirectMembers = directMembers
const JsonDialect = encode.JSON
const MaxIdle = maxIdle
const MaxTyping = maxTyping
const MaxTypists = maxTypists
const PlainDialect = encode.Plain
const ProtobufDialect = encode.Protobuf
const ShardLen = shardLen
const SweepBatch = sweepBatch

type NoticeQueue = noticeQueue
type ShardSlot = shardSlot
type Shard = shard

var KindOf = kindOf

func (x *Config) IdleEvery() time.Duration                              { return x.idleEvery }
func (x *Config) SetIdleEvery(v time.Duration)                          { x.idleEvery = v }
func (x *Hub) ActiveRooms() *activeRooms                                { return &x.activeRooms }
func (x *Hub) SetArrivals(v *pause.Arrivals)                            { x.arrivals = v }
func (x *Hub) ByNum() []*Room                                           { return x.byNum }
func (x *Hub) ResumedSenders() *atomic.Int64                            { return &x.resumedSenders }
func (x *Hub) DeactivateIdle()                                          { x.deactivateIdle() }
func (x *Hub) Conns(a0 string, a1 bool) iter.Seq[netpoll.Conn]          { return x.conns(a0, a1) }
func (x *Hub) Existing(a0 string) *Room                                 { return x.existing(a0) }
func (x *Hub) Free() []uint32                                           { return x.free }
func (x *Hub) SlowMode() *slowmode.Table                                { return &x.slow }
func (x *Hub) LeaveDelays() *notices.Delays                             { return &x.leaveDelays }
func (x *Hub) Deliveries() *latency.Deliveries                          { return &x.deliveries }
func (x *Hub) Load() *pause.Load                                        { return &x.load }
func (x *Hub) LogLost(a0 Member, a1 string, a2 string)                  { x.logLost(a0, a1, a2) }
func (x *Hub) Now() int64                                               { return x.now() }
func (x *Hub) RoomPool() *budget.Pool                                   { return x.roomPool }
func (x *Hub) ReclaimResumed()                                          { x.reclaimResumed() }
func (x *Hub) RoomFor(a0 string, a1 func() budget.Owner) (*Room, error) { return x.roomFor(a0, a1) }
func (x *Hub) Server() *netpoll.Server                                  { return x.server }
func (x *Hub) Started() *time.Time                                      { return &x.started }
func (x *Hub) Timers() *timers.List                                     { return &x.timers }
func (x Kind) Dialect() encode.Dialect                                  { return x.dialect() }
func (x *Room) ActivateLocked()                                         { x.activateLocked() }
func (x *Room) Active() *active                                         { return x.active }
func (x *Room) Acquired() uint64                                        { return x.acquired }
func (x *Room) ReserveLocked() error                                    { return x.reserveLocked() }
func (x *Room) Groups() *[numKinds]*group                               { return &x.groups }
func (x *Room) Hub() *Hub                                               { return x.hub }
func (x *Room) Mu() *sync.Mutex                                         { return &x.mu }
func (x *Room) Notices() *noticeQueue                                   { return x.notices }
func (x *Room) Release(a0 uint64)                                       { x.release(a0) }
func (x *Room) Resumed() uint64                                         { return x.resumed }
func (x *Room) Senders() map[netpoll.ID]*sender                         { return x.senders }
func (x *Room) SetLeftInBatch(v map[netpoll.ID]*shard)                  { x.leftInBatch = v }
func (x *Room) SetNotices(v *noticeQueue)                               { x.notices = v }
func (x *Room) SetPending(v *PendingJoin)                               { x.pending = v }
func (x *Room) TakeSlotLocked(a0 netpoll.Conn, a1 Kind) Slot            { return x.takeSlotLocked(a0, a1) }
func (x *Room) InUseLocked() uint64                                     { return x.inUseLocked() }
func (x *Room) SendWaitingNotices()                                     { x.sendWaitingNotices() }
func (x *Room) SendWaitingTyping()                                      { x.sendWaitingTyping() }
func (x *Room) TryAcquire(a0 uint64) bool                               { return x.tryAcquire(a0) }
func (x *Room) Typists() *typists                                       { return &x.typists }
func (x *Room) UnsweptLocked() (n uint64)                               { return x.unsweptLocked() }
func (x *Room) Waiting() *list.List                                     { return &x.waiting }
func (x Slot) Index() int                                               { return x.index() }
func (x *activeRooms) List() []*Room                                    { return x.list() }
func (x *group) Log() *netpoll.Log                                      { return x.log }
func (x *group) Members() int                                           { return x.members }
func (x *group) Shards() []*shard                                       { return x.shards }
func (x *shardSlot) Id() netpoll.ID                                     { return x.id }
func (x *shard) NextBatch(a0 *[sweepBatch]shardSlot) (n int, last bool) { return x.nextBatch(a0) }
func (x *shard) BeginSweep(a0 time.Time) bool                           { return x.beginSweep(a0) }
func (x *shard) Cursor() uint64                                         { return x.cursor }
func (x *shard) Cut() *netpoll.Cut                                      { return &x.cut }
func (x *shard) EndSweep(a0 time.Time) (more bool)                      { return x.endSweep(a0) }
func (x *shard) Free() []uint16                                         { return x.free }
func (x *shard) G() *group                                              { return x.g }
func (x *shard) Latency() *latency.Shard                                { return &x.latency }
func (x *shard) Slots() []shardSlot                                     { return x.slots }
func (x *shard) EndPause()                                              { x.endPause() }
func (x *shard) Pausing() bool                                          { return x.pausing }
func (x *shard) SetPausing(v bool)                                      { x.pausing = v }
func (x *shard) SetElapsed(v time.Duration)                             { x.elapsed = v }
func (x *shard) SetTimer(v *time.Timer)                                 { x.timer = v }
func (x *shard) SetTurn(v *netpoll.Turn)                                { x.turn = v }
func (x *shard) SettleWaiters() []settleWaiter                          { return x.settleWaiters }
func (x *shard) Sweep() (more bool)                                     { return x.sweep() }
func (x *shard) Turn() *netpoll.Turn                                    { return x.turn }
func (x *typists) Next() *time.Time                                     { return &x.next }
func (x *typists) SetWaiting(v []engine.Author)                         { x.waiting = v }

// WithDefaults returns the configuration with its defaults.
func (c Config) WithDefaults() Config { return c.withDefaults() }
