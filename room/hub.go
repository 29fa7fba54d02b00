package room

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"webim/netpoll"
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
	// MaxPause bounds the pause after a sweep, in which a busy room's messages
	// gather; 0: 25 ms; negative: no pause.
	MaxPause time.Duration
}

func (c Config) withDefaults() Config {
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

	called atomic.Int64 // members of all rooms, see turnstile
}

// NewHub makes a hub.
func NewHub(cfg Config) *Hub {
	cfg = cfg.withDefaults()
	return &Hub{cfg: cfg, engine: cfg.Engine, rooms: map[string]*Room{}}
}

// Start begins what the hub does by itself on a server: it lets go of what has
// expired. It ends with the server.
func (h *Hub) Start(s *netpoll.Server) {
	s.Tick(time.Second, h.recall)
	if m, ok := h.engine.(*Memory); ok {
		s.Tick(time.Second, m.Expire)
	}
}

// Handshake refuses connections to rooms that cannot be.
func (h *Hub) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	if !ok {
		r.Refuse(400, "malformed URL")
		return
	}
	name, err := wire.RoomOf(path)
	if err != nil {
		r.Refuse(400, err.Error())
		return
	}
	if err := h.admits(name); err != nil {
		r.Refuse(503, err.Error())
		_ = r.AddHeader("Retry-After", "5")
	}
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
	name, _ := wire.RoomOf(path)
	if _, err := h.Join(name, c); err != nil && !errors.Is(err, ErrClosed) {
		c.Close(ws.StatusCode(1013), err.Error())
	}
}

// Message publishes what a member sends. A message that its room has no room
// for comes again when there is; so whoever hands messages on to the hub does
// so last, and once for each.
func (h *Hub) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	m, ok := h.Member(c)
	if !ok {
		return
	}
	r, msg := m.Room, Message{Op: op, Data: data}
	n := frameSize(msg)
	if r.enter(c, n) {
		h.engine.Publish(r.name, msg, func(Position, error) { r.entered(n) })
	}
}

// Close ends the connection's membership.
func (h *Hub) Close(c netpoll.Conn, _ netpoll.Closed) {
	if m, ok := h.Member(c); ok {
		h.leave(m)
	}
}

// Publish sends a message to a room from the outside. done, which may be nil,
// gets its place or an error: ErrBusy if the message does not fit below
// MaxUnswept, or members wait for that, ErrBadMessage, or what is wrong with the room's name. m.Data may be
// reused when Publish returns.
func (h *Hub) Publish(room string, m Message, done func(Position, error)) {
	if done == nil {
		done = func(Position, error) {}
	}
	if err := wire.CheckRoomName(room); err != nil {
		done(Position{}, err)
		return
	}
	if m.Op != ws.OpBinary && (m.Op != ws.OpText || !utf8.Valid(m.Data)) {
		done(Position{}, ErrBadMessage)
		return
	}
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
	Room    *Room
	Conn    netpoll.Conn
	variant netpoll.Variant
	seat    seat
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
		v := c.Variant()
		st, err := r.join(c, v)
		if err == errEnded {
			continue
		}
		if err != nil {
			return Member{}, err
		}
		m := Member{r, c, v, st}
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
	return Member{h.byNum[num], c, c.Variant(), st}, true
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
	r = &Room{hub: h, s: s, name: name}
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
	r := m.Room
	if !r.leave(m) {
		return
	}
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
