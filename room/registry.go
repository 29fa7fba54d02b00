package room

import (
	"sync"

	"webim/room/budget"
	"webim/room/policy"
)

// This file is the registry of the rooms that have members on this node, by name and by number.

// existing returns the room with a name; nil if it has no members on this node.
func (h *Hub) existing(name string) *Room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rooms.Get(name)
}

// logRoomRefused logs that a new room was refused.
func (h *Hub) logRoomRefused(payer budget.Owner) {
	h.refusals.Warn(budget.LogShare+", rooms: a new one is refused", "owner", payer.String(), "rooms", h.roomPool.Held(payer), "see", "max_rooms")
}

// countsInMaxRooms reports whether Config.MaxRooms counts a room. It does not count the personal
// rooms of users: each connection has one at most, which comes with the connection.
func countsInMaxRooms(name string) bool { return len(policy.UsersOf(name)) != 1 }

// roomFor returns the room with a name. If there is none, it makes the room and subscribes it at
// the engine, and payerOf, which is only called then, returns the owner that pays for it.
func (h *Hub) roomFor(name string, payerOf func() budget.Owner) (*Room, error) {
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
			h.logRoomRefused(payer)
			return nil, err
		}
	}
	if start != nil {
		start.Do(func() { h.startRoom(r) })
	}
	return r, nil
}

// makeRoomLocked makes a room, unless another goroutine has made it meanwhile. Every goroutine
// that gets the room calls start.Do; start is nil if the room is subscribed at the engine. h.mu
// is held.
func (h *Hub) makeRoomLocked(name string, payer budget.Owner) (r *Room, start *sync.Once, err error) {
	if r = h.rooms.Get(name); r != nil {
		return r, h.starting[r], nil
	}
	if countsInMaxRooms(name) && !h.roomPool.Take(payer, 1) {
		return nil, nil, ErrTooManyRooms
	}
	r = h.addRoomLocked(name, payer)
	start = new(sync.Once)
	h.starting[r] = start
	return r, start, nil
}

// addRoomLocked adds a room that is not there, under its name and a free number. h.mu is held.
func (h *Hub) addRoomLocked(name string, payer budget.Owner) *Room {
	r := &Room{hub: h, name: name, payer: payer}
	r.opts.Store(h.Options(name))
	if k := len(h.free); k > 0 {
		r.num, h.free = h.free[k-1], h.free[:k-1]
		h.byNum[r.num] = r
	} else {
		r.num = uint32(len(h.byNum))
		h.byNum = append(h.byNum, r)
	}
	h.rooms.Put(r)
	return r
}

// startRoom subscribes a room at the engine. Other goroutines that join the room wait for that.
func (h *Hub) startRoom(r *Room) {
	h.engine.Subscribe(r.name, r.payer, r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.starting, r); len(h.starting) == 0 {
		h.starting = map[*Room]*sync.Once{} // Go's maps do not shrink
	}
}

// endIfEmpty ends a room that has no members any more.
func (h *Hub) endIfEmpty(r *Room) {
	if h.removeIfEmpty(r) && !h.moved.Load() {
		h.engine.Unsubscribe(r.name, r)
	}
}

// removeIfEmpty removes a room without members, and reports whether it has none.
func (h *Hub) removeIfEmpty(r *Room) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !r.tryEnd() {
		return false // a member has joined meanwhile
	}
	h.rooms.Remove(r.name)
	if countsInMaxRooms(r.name) {
		h.roomPool.Add(r.payer, -1)
	}
	h.byNum[r.num] = nil
	h.free = append(h.free, r.num)
	return true
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
