package room

import (
	"net/netip"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/identity"
	"webim/room/internal/encode"
	"webim/room/token"
)

// CheckJoin is called before the handshake is answered. It returns the error for which Join would
// refuse a client: ErrRoomFull, ErrTooManyRooms, ErrMoved or nil.
func (h *Hub) CheckJoin(name string, who *token.Identity, addr netip.Addr) error {
	if err := h.CheckMoved(); err != nil {
		return err
	}
	if r := h.existing(name); r != nil {
		if n := h.Config().MaxMembers; n > 0 && r.Len() >= n {
			return ErrRoomFull
		}
		return nil
	}
	if payer := cost.PayerOf(who.User, addr); countsInMaxRooms(name) && !h.roomPool.Fits(payer, 1) {
		h.logRoomRefused(payer)
		return ErrTooManyRooms
	}
	return nil
}

// Join makes a connection a member of a room, and makes the room if there is none. The member is
// owed every message that is published after Join returns, and none from before. A connection can
// be in one room: if it is in another one, the error is ErrJoined.
func (h *Hub) Join(name string, c netpoll.Conn) (Member, error) {
	if m, ok := h.Member(c); ok {
		if m.Room.name == name {
			return m, nil
		}
		return Member{}, ErrJoined
	}
	if err := h.CheckMoved(); err != nil {
		return Member{}, err
	}
	for {
		r, err := h.roomFor(name, func() budget.Owner { return identity.PayerOf(c) })
		if err != nil {
			return Member{}, err
		}
		k := kindOf(encode.Plain, c.Variant(), false)
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

// Member returns the membership that Join has made.
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
	return Member{h.byNum[num], c, kindOf(encode.Plain, c.Variant(), false), st}, true
}

// Leave ends a membership. When the last one ends, the room ends on this node.
func (h *Hub) Leave(m Member) {
	if m.Room.leave(m) {
		h.endIfEmpty(m.Room)
	}
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
