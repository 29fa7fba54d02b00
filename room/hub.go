package room

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/token"
	"webim/room/wire"
)

// Config holds the settings of a Hub. The zero value works.
type Config struct {
	// Engine gives messages their places; nil: a memory engine of its own.
	Engine Engine
	// History bounds that memory engine.
	History Limits
	// MaxRooms bounds the rooms that have members; 0: 100,000. Above it a
	// connection gets 503.
	MaxRooms int
	// MaxMembers bounds the members of one room; 0: no bound but the
	// server's. Above it a connection gets 503.
	MaxMembers int
	// MaxUnswept bounds the bytes of a room that no sweep has taken yet; 0: 1
	// MiB. A member whose message does not fit is not read until it does, in
	// turn with the others; a message larger than MaxUnswept fits when nothing
	// else is unswept.
	MaxUnswept int
	// MaxRoomsPerConn bounds the rooms that one connection of the centrifuge
	// dialect is in; 0: 128.
	MaxRoomsPerConn int
	// MaxCommands bounds the commands in one message; 0: 256. It should not be
	// less than MaxRoomsPerConn: clients subscribe anew to all in one message.
	MaxCommands int
	// MaxPresence is the most members that a presence reply names; 0: 1000.
	// Above it presence is not available, its counts are.
	MaxPresence int
	// PingInterval is how often a connection of the centrifuge dialect is
	// pinged; 0: 25 s; negative: never. PongTimeout: one from whom nothing
	// comes for so long after a ping is closed with 3012; 0: 8 s; negative:
	// nobody waits.
	PingInterval, PongTimeout time.Duration
	// ConnectTimeout: a connection without a connect command for so long is
	// closed with 3502; 0: 10 s.
	ConnectTimeout time.Duration
	// Anonymous lets connections in without a token. What they may do there is
	// said by Options.
	Anonymous bool
	// MaxConnsPerUser bounds the connections of one user; 0: 128; negative:
	// none. Above it: 3504, in the plain dialect 429. Users without a name are
	// bounded by their address alone.
	MaxConnsPerUser int
	// Rates bound the commands of one connection, UserRates those of all
	// connections of a user; zero ones are those of DefaultRates and
	// DefaultUserRates; NoRates: no bounds. Above them: the temporary error 111;
	// in the plain dialect the message is lost. Rates.Join and UserRates.Join
	// are at least MaxRoomsPerConn at once.
	Rates, UserRates Rates
	// Refusals bounds how often a connection is refused so; zero:
	// DefaultRefusals. Above it, it is cut with 3509, in the plain dialect with
	// 1008.
	Refusals Rate
	// Tokens judges connection and subscription tokens; nil: none is good. The
	// hub neither starts nor closes it.
	Tokens *token.Verifier
	// Revoked are tokens that are good no more; nil: none.
	Revoked *token.Revoked
	// ExpiredGrace is how long a connection or subscription outlives its token,
	// for the new one to come; 0: 25 s.
	ExpiredGrace time.Duration
	// Options says what a room offers, and who may do what there; nil: nothing
	// but publications, and only what tokens permit. What it returns must not be
	// changed, and be the same for a name each time.
	Options func(room string) *Options
	// Version is what clients are told that they speak with.
	Version string
	// MaxPause bounds the pause after a sweep, in which a busy room's messages
	// gather; 0: 25 ms; negative: no pause.
	MaxPause time.Duration
}

// options are what a room offers.
func (c *Config) options(room string) *Options {
	if c.Options != nil {
		if o := c.Options(room); o != nil {
			return o
		}
	}
	return noOptions
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.MaxRoomsPerConn, 128)
	def(&c.MaxCommands, 256)
	def(&c.MaxPresence, 1000)
	def(&c.MaxConnsPerUser, 128)
	c.Rates = c.Rates.withDefaults(DefaultRates, c.MaxRoomsPerConn)
	c.UserRates = c.UserRates.withDefaults(DefaultUserRates, c.MaxRoomsPerConn)
	c.Refusals = c.Refusals.withDefault(DefaultRefusals)
	dur(&c.PingInterval, 25*time.Second)
	dur(&c.PongTimeout, 8*time.Second)
	dur(&c.ConnectTimeout, 10*time.Second)
	dur(&c.ExpiredGrace, 25*time.Second)
	if c.Engine == nil {
		c.Engine = NewMemory(c.History)
	}
	if c.MaxRooms == 0 {
		c.MaxRooms = 100_000
	}
	if c.MaxUnswept == 0 {
		c.MaxUnswept = 1 << 20
	}
	if c.MaxPause == 0 {
		c.MaxPause = 25 * time.Millisecond
	}
	return c
}

// Hub is the rooms of a node, and the netpoll.Handler that speaks the plain
// dialect with their members. Its connections must all be of one
// netpoll.Server.
type Hub struct {
	cfg    Config
	engine Engine

	mu    sync.RWMutex
	rooms map[string]*Room
	byNum []*Room // by Room.num; a tag has the number
	free  []uint32

	server  *netpoll.Server
	id      string // another one after each start
	users   users
	bearers atomic.Int64 // plain connections that came with a token

	beats   [2]netpoll.HeartbeatID // by wire.Encoding
	errands errands
	due     deadlines

	called   atomic.Int64 // members of all rooms, see turnstile
	started  time.Time    // the zero of the buckets' clock, and of the uptime
	accounts accounts
	counters counters
}

// NewHub makes a hub.
func NewHub(cfg Config) *Hub {
	cfg = cfg.withDefaults()
	return &Hub{cfg: cfg, engine: cfg.Engine, rooms: map[string]*Room{}, started: time.Now(),
		id: rand.Text(), users: users{byName: map[string][]*session{}}}
}

// Start joins the hub with a server, before that listens. What the hub does by
// itself ends with the server; Stop ends what its engine does.
func (h *Hub) Start(s *netpoll.Server) {
	h.server = s
	h.engine.Enlist(h)
	h.errands.turn = s.NewTurn(h.errands.run)
	h.startHeartbeats(s)
	s.Tick(time.Second, h.due.look)
	s.Tick(time.Second, h.recall)
	if m, ok := h.engine.(*Memory); ok {
		s.Tick(time.Second, m.Expire)
	}
}

// Stop takes the hub from its engine's nodes: no order reaches it any more.
func (h *Hub) Stop() { h.engine.Dismiss(h) }

// Handshake refuses connections to rooms that cannot be.
func (h *Hub) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	if !ok {
		r.Refuse(400, "malformed URL")
		return
	}
	if path == ChatPath {
		chooseEncoding(r)
		return
	}
	name, err := wire.RoomOf(path)
	if err != nil {
		r.Refuse(400, err.Error())
		return
	}
	h.greet(r, name)
}

// admits says early, and politely, what join would say too late.
func (h *Hub) admits(name string) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.rooms[name]
	switch {
	case r == nil && len(h.rooms) >= h.cfg.MaxRooms:
		return ErrTooManyRooms
	case r != nil && h.cfg.MaxMembers > 0 && r.Len() >= h.cfg.MaxMembers:
		return ErrRoomFull
	}
	return nil
}

// Open makes the connection a member of the room that its path names.
func (h *Hub) Open(c netpoll.Conn, r *netpoll.Request) {
	path, _ := r.Path()
	if path == ChatPath {
		h.openSession(c, r)
		return
	}
	name, _ := wire.RoomOf(path)
	h.openPlain(c, name)
}

// Message publishes what a member sends, or handles the commands of a session.
// A message that its room has no room for comes again when there is; so whoever
// hands messages on to the hub does so last, and once for each.
func (h *Hub) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if m, ok := h.Member(c); ok {
		h.plainMessage(m, op, data)
	} else if s := sessionOf(c); s != nil {
		s.message(op, data)
	}
}

// Close ends the connection's membership.
func (h *Hub) Close(c netpoll.Conn, _ netpoll.Closed) {
	if m, ok := h.Member(c); ok {
		h.leave(m)
	}
	switch d := c.Data().(type) {
	case *session:
		d.close()
	case *plainConn:
		h.discharge(&d.quota, d.who.User)
		if d.who != anonymous {
			h.bearers.Add(-1)
		}
	}
}

// CloseCode implements netpoll.Coder: the centrifuge dialect has codes of its
// own, after which clients come back.
func (h *Hub) CloseCode(c netpoll.Conn, cause netpoll.Cause) (ws.StatusCode, string) {
	code := wire.DisconnectShutdown
	if cause == netpoll.Slow {
		code = wire.DisconnectSlow
	}
	if sessionOf(c) == nil {
		return 0, ""
	}
	return wireStatus(code), code.Text()
}

// publish sends a message that has been checked, or tells ErrBusy.
func (h *Hub) publish(room string, m Message, done func(Position, error)) {
	h.mu.RLock()
	r := h.rooms[room]
	h.mu.RUnlock()
	if r == nil {
		h.engine.Publish(room, m, done)
		return
	}
	n := frameSize(m)
	if !r.tryEnter(n) {
		done(Position{}, ErrBusy)
		return
	}
	h.engine.Publish(room, m, func(p Position, err error) {
		r.entered(n)
		done(p, err)
	})
}

// Engine returns the hub's engine.
func (h *Hub) Engine() Engine { return h.engine }

// Member is a connection's membership of a room.
type Member struct {
	Room *Room
	Conn netpoll.Conn
	kind kind
	seat seat
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
		r, err := h.room(name, c.Server())
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
			h.leave(m)
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

// room returns a room by name, made and subscribed if there is none.
func (h *Hub) room(name string, s *netpoll.Server) (*Room, error) {
	h.mu.RLock()
	r := h.rooms[name]
	h.mu.RUnlock()
	if r != nil {
		r.subscribe()
		return r, nil
	}
	h.mu.Lock()
	r = h.rooms[name]
	if r != nil {
		h.mu.Unlock()
		r.subscribe()
		return r, nil
	}
	if len(h.rooms) >= h.cfg.MaxRooms {
		h.mu.Unlock()
		return nil, ErrTooManyRooms
	}
	r = &Room{hub: h, s: s, name: name, opts: h.cfg.options(name)}
	if k := len(h.free); k > 0 {
		r.num, h.free = h.free[k-1], h.free[:k-1]
		h.byNum[r.num] = r
	} else {
		r.num = uint32(len(h.byNum))
		h.byNum = append(h.byNum, r)
	}
	h.rooms[name] = r
	h.mu.Unlock()
	r.subscribe()
	return r, nil
}

// leave ends a membership; the last one ends the room on this node.
func (h *Hub) leave(m Member) {
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
	delete(h.rooms, r.name)
	h.byNum[r.num] = nil
	h.free = append(h.free, r.num)
	h.mu.Unlock()
	h.engine.Unsubscribe(r.name, r)
}

// Rooms returns the rooms that have members now.
func (h *Hub) Rooms() []*Room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	rooms := make([]*Room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}
