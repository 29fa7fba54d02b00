package room

import (
	"crypto/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/control"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/identity"
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
	prompt     bool // the engine is an engine.Prompt, and there is no backend: no call has to wait
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

// NewHub returns a new hub. It panics if cfg.Engine is nil.
func NewHub(cfg Config) *Hub {
	if cfg.Engine == nil {
		panic("room: Config.Engine is nil")
	}
	cfg = cfg.withDefaults()
	h := &Hub{
		engine:   cfg.Engine,
		id:       rand.Text(),
		started:  time.Now(),
		rooms:    nametable.New((*Room).Name),
		starting: map[*Room]*sync.Once{},
		roomPool: budget.NewPool(int64(cfg.MaxRooms)),
		refusals: ratelog.New(cfg.Log),
		arrivals: pause.NewArrivals(pause.Threshold(runtime.GOMAXPROCS(0))),
	}
	h.cfg.Store(&cfg)
	h.work = work.New(cfg.MaxCalls, h.refusals)
	h.meter = cost.New(cost.Config{Limits: cfg.costs(), Timers: &h.timers, Log: h.refusals})
	h.shares = shares.New(cfg.Engine, h.refusals)
	h.Moderator = moderation.New(moderation.Config{Engine: cfg.Engine, Publish: h.Publish, StateOf: h.shares.StateOf, StateError: shares.ClientError, Audit: cfg.Audit})
	h.judge = judge.New(judge.Config{Options: h.Options, Moderator: h.Moderator, Backend: cfg.Backend, Tokens: cfg.Tokens, Guests: cfg.Guests, Revoked: cfg.Revoked, StateIsOld: stateIsOld(cfg.Engine), Log: h.refusals})
	h.control = control.New(control.Config{Engine: cfg.Engine, Judge: h.judge, Moderator: h.Moderator, Revoked: cfg.Revoked, Conns: h.conns, Post: h.Post, Log: cfg.Log})
	_, h.prompt = cfg.Engine.(engine.Prompt)
	h.prompt = h.prompt && cfg.Backend == nil
	return h
}

// stateIsOld returns judge.Config.StateIsOld for an engine.
func stateIsOld(e engine.Engine) func() bool {
	if c, ok := e.(engine.Copier); ok {
		return c.StateIsOld
	}
	return nil
}

// Start connects the hub with its server. It is called before the server listens. The periodic
// work that Start begins ends with the server; Stop ends the hub's part in the engine.
func (h *Hub) Start(s *netpoll.Server) {
	h.server = s
	h.load.Begin(s.Config().Workers)
	h.deferred.Start(s.NewTurn(h.deferred.Run).Wake)
	h.leaveDelays.Start(func() time.Duration { return h.Config().LeaveDelay }, h.tellNotice, h.Post, h.At)
	stopControl, stopShares := h.control.Start(s), h.shares.Watch()
	h.unwatch = func() { stopControl(); stopShares() }
	h.engine.AddNode(h)
	s.Tick(time.Second, h.timers.Run)
	s.Tick(time.Second, h.reclaimResumed)
	s.Tick(h.Config().idleEvery, h.deactivateIdle)
	if e, ok := h.engine.(engine.Expirer); ok {
		s.Tick(time.Second, e.Expire)
	}
	if e, ok := h.engine.(engine.Pacer); ok {
		h.makesWay = true
		e.Pace(func() time.Duration { return pause.Gather(h.load.Value(), h.Config().MaxPause) })
	}
}

// Stop ends the calls that are under way, and removes the hub from the nodes of its engine, so
// that no control message reaches it any more. It is called when the server has ended.
func (h *Hub) Stop() {
	h.work.Close()
	h.engine.RemoveNode(h)
	h.unwatch()
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

// Spend implements netpoll.Meter. A plain connection without a token gets a Principal with the first
// bytes that it sends.
func (h *Hub) Spend(c netpoll.Conn, input netpoll.Cost) netpoll.Treatment {
	p, s := identity.PrincipalOf(c), identity.SessionOf(c)
	switch {
	case s != nil && !s.Connected(): // its payer is not known yet
		return h.meter.ReadBeforeConnect(&p.Usage, identity.AddressOf(c), input)
	case s == nil && !h.meter.Limits(policy.ClassInput): // a plain connection causes no large replies either
		return netpoll.Treatment{}
	case p == nil:
		if _, member := h.Member(c); !member {
			return netpoll.Treatment{}
		}
		p = identity.NewAnonymous(c)
	}
	return h.meter.Read(&p.Usage, input)
}

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

// Prompt reports whether no call has to wait: the engine is an engine.Prompt, and there is no backend.
func (h *Hub) Prompt() bool { return h.prompt }

// Shares returns the shares of the engine's State.
func (h *Hub) Shares() *shares.Shares { return h.shares }

// Asks reports whether there is a backend that handles a hook in a room.
func (h *Hub) Asks(k backend.Hook, room string) bool {
	b := h.Config().Backend
	return b != nil && b.Asks(k, room)
}

// TellDisconnect tells the backend, which must handle HookDisconnect, that a connection has ended.
func (h *Hub) TellDisconnect(a engine.Author, rooms []string, why netpoll.Closed) {
	h.Config().Backend.Disconnected(backend.DisconnectEvent{Client: a.Client, User: a.User, Rooms: rooms, Code: uint32(why.Code), Reason: why.Reason, At: time.Now()})
}
