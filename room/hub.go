package room

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/netpoll/durations"
	"webim/netpoll/ratelog"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/control"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/internal/deferred"
	"webim/room/internal/latency"
	"webim/room/internal/nametable"
	"webim/room/internal/notices"
	"webim/room/internal/pause"
	"webim/room/internal/timers"
	"webim/room/judge"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/shares"
	"webim/room/slowmode"
	"webim/room/wire"
	"webim/room/work"
)

// Hub is the rooms of a node. All its connections must belong to one netpoll.Server.
type Hub struct {
	cfg           atomic.Pointer[Config] // see Config
	reconfiguring sync.Mutex             // see Reconfigure
	engine        engine.Engine
	*moderation.Moderator

	mu       sync.RWMutex
	rooms    nametable.Table[Room]
	starting map[*Room]*sync.Once // rooms that are being subscribed at the engine
	byNum    []*Room              // by Room.num, which is in the tags of plain connections
	free     []uint32             // numbers of rooms that have ended

	server *netpoll.Server
	id     string // new after each start

	deferred    deferred.Queue
	timers      timers.List
	leaveDelays notices.Delays
	activeRooms activeRooms

	slow     slowmode.Table
	shares   *shares.Shares
	roomPool *budget.Pool // the rooms with members that Config.MaxRooms counts, by payer
	unwatch  func()

	resumedSenders atomic.Int64 // of all rooms, see flowControl
	started        time.Time    // the zero of the hub's clock; the uptime begins here
	meter          *cost.Meter
	judge          *judge.Judge
	control        *control.Controller
	refusals       *ratelog.Logger // logs why clients are refused

	work       *work.Runner
	prompt     bool // the engine is an engine.Prompt: nothing has to wait for it
	deliveries latency.Deliveries
	published  published
	arrivals   *pause.Arrivals
	load       pause.Load
	makesWay   bool // a message passes goroutines of the engine; set by Start

	// In a live upgrade, see move.go.
	frozen   bool         // the engine is: by Quiesce in the old process, from Restore on in the new one
	stayed   []membership // in the old process: memberships that end with it
	moved    atomic.Bool  // in the old process: the new one has taken over
	adopting atomic.Bool  // in the new process: from Restore to Resume
}

// clock returns a time on the hub's clock: the nanoseconds since the hub was made, and at least 1.
func (h *Hub) clock(now time.Time) int64 { return max(1, int64(now.Sub(h.started))) }

// now returns the time on the hub's clock.
func (h *Hub) now() int64 { return h.clock(time.Now()) }

// Post calls f on a worker, with no lock held, after the functions that were posted before. Any
// goroutine may call Post, with any lock held.
func (h *Hub) Post(f func()) { h.deferred.Post(f) }

// At makes a worker call f at the given time, up to a second late. It may be called from any goroutine,
// with any lock held. A call cannot be cancelled: f does nothing if it is no longer needed.
func (h *Hub) At(at time.Time, f func()) { h.timers.At(at, f) }

// CountArrival counts a connection that opens now, see package pause.
func (h *Hub) CountArrival() { h.arrivals.Add(h.now()) }

// Meter returns the meter that charges the clients of the hub.
func (h *Hub) Meter() *cost.Meter { return h.meter }

// Engine returns the hub's engine.
func (h *Hub) Engine() engine.Engine { return h.engine }

// Judge returns the judge of the rights and the tokens of clients.
func (h *Hub) Judge() *judge.Judge { return h.judge }

// Control returns the Controller, which acts on the connections of this node.
func (h *Hub) Control() *control.Controller { return h.control }

// Apply implements engine.Node.
func (h *Hub) Apply(m engine.ControlMessage) error {
	if h.adopting.Load() {
		h.Post(func() { _ = h.control.Apply(m) }) // its connections are still to come
		return nil
	}
	return h.control.Apply(m)
}

// Work returns the runner of calls and of the follow-ups of messages.
func (h *Hub) Work() *work.Runner { return h.work }

// Prompt reports whether no call has to wait: the engine is an engine.Prompt, and no backend is asked about messages. The backend
// may change that at any time.
func (h *Hub) Prompt() bool { return h.prompt && !h.Handles(backend.HookPublish) }

// Shares returns the shares of the engine's State.
func (h *Hub) Shares() *shares.Shares { return h.shares }

// Handles reports whether there is a backend that handles a hook, perhaps not in all rooms.
func (h *Hub) Handles(k backend.Hook) bool {
	b := h.Config().Backend
	return b != nil && b.Handles(k)
}

// Asks reports whether there is a backend that handles a hook in a room.
func (h *Hub) Asks(k backend.Hook, room string) bool {
	b := h.Config().Backend
	return b != nil && b.Asks(k, room)
}

// TellDisconnect tells the backend, which must handle HookDisconnect, that a connection has ended.
func (h *Hub) TellDisconnect(a engine.Author, rooms []string, why netpoll.Closed) {
	h.Config().Backend.Disconnected(backend.DisconnectEvent{Client: a.Client, User: a.User, Rooms: rooms, Code: uint32(why.Code), Reason: why.Reason, At: time.Now()})
}

// Config returns the hub's settings as they are now, with defaults. They must not be changed. A caller that
// needs two of them that fit together calls Config once.
func (h *Hub) Config() *Config { return h.cfg.Load() }

// Options returns the features and the rights of a room. They must not be changed.
func (h *Hub) Options(room string) *policy.Options { return h.Config().options(room) }

// Keep returns how much of its log a room keeps: for engine.Message.Keep, and for engine.Span.Keep of
// each read of its history. Without Config.Options it is nil, which is the engine's default.
func (h *Hub) Keep(room string) *engine.Retention { return h.keepOf(h.Options(room)) }

// keepOf is Keep for a room with these options.
func (h *Hub) keepOf(o *policy.Options) *engine.Retention {
	if h.Config().Options == nil {
		return nil
	}
	return &o.History
}

// CheckMoved returns ErrMoved after Moved, otherwise nil.
func (h *Hub) CheckMoved() error {
	if !h.moved.Load() {
		return nil
	}
	h.refusals.Info("a client that has stayed behind is refused: another process serves the rooms now, and the connection ends soon")
	return ErrMoved
}

// membership is a member of a room as others see it.
type membership struct {
	room string
	who  engine.Author
}

// published counts the messages that a hub has passed to its engine.
type published struct {
	all, failed atomic.Int64
	ended       atomic.Int64        // of all
	took        durations.Histogram // of one in publishSample
}

// The log tells operators why clients were refused, and which setting to look at. There is one line for
// each reason and interval (package ratelog), and no line contains a token or a text of a message. Lines
// about budgets come from package cost.

// RefusalLog returns the log in which the dialects write why clients are refused. It writes one line for
// each reason and interval; see package ratelog.
func (h *Hub) RefusalLog() *ratelog.Logger { return h.refusals }

// LogInternal logs err if it is one for which a client gets only error 100, so that the cause can be
// found. what is the command or the call that failed. A bare wire.ErrInternal has no cause and is not
// logged: a client gets it for a subscription that it has given up itself. The end of calls that wait
// while the hub stops is no failure.
func (h *Hub) LogInternal(err error, what string) {
	if err == nil || err == error(wire.ErrInternal) || !wire.IsInternal(err) {
		return
	}
	if h.work.Context().Err() != nil && errors.Is(err, h.work.Context().Err()) {
		h.refusals.Info("a request was given up because the server stops", "what", what)
		return
	}
	h.refusals.Error("a request failed in the server, and the client was told error 100", "what", what, "err", err)
}

// activeRooms is the set of the rooms that are active.
type activeRooms struct {
	mu  sync.Mutex // innermost
	all map[*Room]struct{}
}

func (a *activeRooms) add(r *Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[*Room]struct{}{}
	}
	a.all[r] = struct{}{}
}

func (a *activeRooms) remove(r *Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if delete(a.all, r); len(a.all) == 0 {
		a.all = nil // Go's maps do not shrink
	}
}

func (a *activeRooms) list() []*Room {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.all))
}
