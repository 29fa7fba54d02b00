package room

import (
	"crypto/rand"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/nametable"
	"webim/room/internal/timers"
	"webim/room/moderation"
	"webim/room/slowmode"
	"webim/room/token"
)

// Hub is the rooms of a node. Its connections must all be of one netpoll.Server.
type Hub struct {
	cfg    Config
	engine engine.Engine
	*moderation.Moderator

	mu       sync.RWMutex
	rooms    nametable.Table[Room]
	starting map[*Room]*sync.Once // rooms that the engine is being asked for
	byNum    []*Room              // by Room.num; a tag has the number
	free     []uint32

	server  *netpoll.Server
	id      string // another one after each start
	users   users
	bearers atomic.Int64 // plain connections that came with a token

	deferred    deferred
	timers      timers.List
	leaveDelays leaveDelays
	actives     actives

	slow    slowmode.Table
	shares  stateShares
	rosters rosters
	places  *budget.Pool // of rooms with members
	unwatch func()

	called   atomic.Int64 // members of all rooms, see flowControl
	started  time.Time    // the zero of the buckets' clock, and of the uptime
	accounts accounts
	counters counters
	refusals *ratelog.Logger // why clients are refused
	replies  *budget.Pool    // bytes that replies under way take, by payer

	work       *work
	prompt     bool // the engine is a engine.Prompt, and there is no backend: no call has to wait
	deliveries deliveries
	arrivals   arrivals
	load       load
}

// NewHub makes a hub. It panics if cfg.Engine is nil.
func NewHub(cfg Config) *Hub {
	if cfg.Engine == nil {
		panic("room: Config.Engine is nil")
	}
	cfg = cfg.withDefaults()
	h := &Hub{cfg: cfg, engine: cfg.Engine, places: budget.NewPool(int64(cfg.MaxRooms)), replies: budget.NewPool(cfg.MaxReplies), rooms: nametable.New((*Room).Name), starting: map[*Room]*sync.Once{}, started: time.Now(), arrivals: arrivals{least: crowdOf(runtime.GOMAXPROCS(0))},
		refusals: ratelog.New(cfg.Log), work: newWork(cfg.MaxCalls),
		id: rand.Text(), users: users{byName: map[string][]netpoll.ID{}}}
	h.Moderator = newModerator(h)
	_, h.prompt = cfg.Engine.(engine.Prompt)
	h.prompt = h.prompt && cfg.Backend == nil
	return h
}

// Start joins the hub with a server, before that listens. What the hub does by
// itself ends with the server; Stop ends what its engine does.
func (h *Hub) Start(s *netpoll.Server) {
	h.server = s
	h.load.workers = int64(s.Config().Workers)
	h.load.part.Store(loadUnknown)
	h.deferred.turn = s.NewTurn(h.deferred.run)
	stops := append([]func(){h.WatchSanctions()}, h.watchShares()...)
	h.unwatch = func() {
		for _, stop := range stops {
			stop()
		}
	}
	h.engine.AddNode(h)
	s.Tick(time.Second, h.timers.Run)
	s.Tick(time.Second, h.recall)
	s.Tick(h.cfg.calmEvery, h.calm)
	if e, ok := h.engine.(engine.Expirer); ok {
		s.Tick(time.Second, e.Expire)
	}
}

// Stop ends the calls that are under way, and takes the hub from its engine's nodes: no control
// message reaches it any more. It is called when the server has ended.
func (h *Hub) Stop() {
	h.work.close()
	h.engine.RemoveNode(h)
	h.unwatch()
}

// CheckJoin tells, before the handshake is answered, why Join would refuse somebody:
// ErrRoomFull, ErrTooManyRooms or nil.
func (h *Hub) CheckJoin(name string, who *token.Identity, addr netip.Addr) error {
	if r := h.existing(name); r != nil {
		if h.cfg.MaxMembers > 0 && r.Len() >= h.cfg.MaxMembers {
			return ErrRoomFull
		}
		return nil
	}
	if payer := PayerOf(who.User, addr); takesPlace(name) && !h.places.Fits(payer, 1) {
		h.refusedRoom(payer)
		return ErrTooManyRooms
	}
	return nil
}

// existing is a room that has members, or nil.
func (h *Hub) existing(name string) *Room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rooms.Get(name)
}

// Engine returns the hub's engine.
func (h *Hub) Engine() engine.Engine { return h.engine }

// Member is a connection's membership of a room.
type Member struct {
	Room *Room
	Conn netpoll.Conn
	Kind Kind // of the frames that it takes
	Slot Slot
}

// Join makes a connection a member of a room, which is made if need be. It is
// owed every message published after Join returns, and none from before. A
// connection has one room: ErrJoined if it is in another.
func (h *Hub) Join(name string, c netpoll.Conn) (Member, error) {
	if m, ok := h.Member(c); ok {
		if m.Room.name == name {
			return m, nil
		}
		return Member{}, ErrJoined
	}
	for {
		r, err := h.room(name, func() budget.Owner { return payerOfConn(c) })
		if err != nil {
			return Member{}, err
		}
		k := kindOf(plainDialect, c.Variant(), false)
		st, err := r.join(c, k)
		if err == errEnded {
			continue
		}
		if err != nil {
			return Member{}, err
		}
		m := Member{r, c, k, st}
		if !c.SetTag(st.tag(r.num)) {
			h.Leave(m)
			return Member{}, ErrClosed
		}
		return m, nil
	}
}

// Member returns the membership that Join made.
func (h *Hub) Member(c netpoll.Conn) (Member, bool) {
	num, st, ok := fromTag(c.Tag())
	if !ok {
		return Member{}, false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if int(num) >= len(h.byNum) || h.byNum[num] == nil {
		return Member{}, false
	}
	return Member{h.byNum[num], c, kindOf(plainDialect, c.Variant(), false), st}, true
}

func (h *Hub) refusedRoom(payer budget.Owner) {
	h.refusals.Warn(logShare+", rooms: a new one is refused", "owner", payer.String(), "rooms", h.places.Held(payer), "see", "max_rooms")
}

// takesPlace tells whether a room counts to Config.MaxRooms. Users' own rooms do
// not: each connection has one at most, and it comes with the connection.
func takesPlace(name string) bool { return len(UsersOf(name)) != 1 }

// room returns a room by name, made and subscribed if there is none: then the payer,
// who is asked for only then, pays for it.
func (h *Hub) room(name string, payerOf func() budget.Owner) (*Room, error) {
	h.mu.RLock()
	r, start := h.rooms.Get(name), (*sync.Once)(nil)
	if r != nil && len(h.starting) > 0 {
		start = h.starting[r]
	}
	h.mu.RUnlock()
	if r == nil {
		payer := payerOf()
		h.mu.Lock()
		var err error
		r, start, err = h.makeRoomLocked(name, payer)
		h.mu.Unlock()
		if err != nil {
			h.refusedRoom(payer)
			return nil, err
		}
	}
	if start != nil {
		start.Do(func() { h.startRoom(r) })
	}
	return r, nil
}

// makeRoomLocked makes a room, if nobody else has made it meanwhile. start is what whoever
// is given the room goes through; nil: the engine was asked for the room before. h.mu is
// held.
func (h *Hub) makeRoomLocked(name string, payer budget.Owner) (r *Room, start *sync.Once, err error) {
	if r = h.rooms.Get(name); r != nil {
		return r, h.starting[r], nil
	}
	if takesPlace(name) && !h.places.Take(payer, 1) {
		return nil, nil, ErrTooManyRooms
	}
	r = &Room{hub: h, name: name, opts: h.cfg.options(name), payer: payer}
	if k := len(h.free); k > 0 {
		r.num, h.free = h.free[k-1], h.free[:k-1]
		h.byNum[r.num] = r
	} else {
		r.num = uint32(len(h.byNum))
		h.byNum = append(h.byNum, r)
	}
	h.rooms.Put(r)
	start = new(sync.Once)
	h.starting[r] = start
	return r, start, nil
}

// startRoom asks the engine for a room's publications. Whoever else joins waits for that.
func (h *Hub) startRoom(r *Room) {
	h.engine.Subscribe(r.name, r.payer, r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.starting, r); len(h.starting) == 0 {
		h.starting = map[*Room]*sync.Once{} // Go's maps do not shrink
	}
}

// Leave ends a membership; the last one ends the room on this node.
func (h *Hub) Leave(m Member) {
	if m.Room.leave(m) {
		h.vacated(m.Room)
	}
}

// vacated ends a room that nobody is in any more.
func (h *Hub) vacated(r *Room) {
	h.mu.Lock()
	if !r.end() {
		h.mu.Unlock()
		return // somebody joined meanwhile
	}
	h.rooms.Remove(r.name)
	if takesPlace(r.name) {
		h.places.Add(r.payer, -1)
	}
	h.byNum[r.num] = nil
	h.free = append(h.free, r.num)
	h.mu.Unlock()
	h.engine.Unsubscribe(r.name, r)
}

// Rooms returns the rooms that have members now.
func (h *Hub) Rooms() []*Room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	rooms := make([]*Room, 0, h.rooms.Len())
	for r := range h.rooms.Each() {
		rooms = append(rooms, r)
	}
	return rooms
}
