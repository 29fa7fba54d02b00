package room

import (
	"net/netip"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/identity"
	"webim/room/internal/encode"
	"webim/room/token"
	"webim/room/wire"
)

// Member is the membership of a connection in a room.
type Member struct {
	Room *Room
	Conn netpoll.Conn
	Kind Kind // of the frames that the member takes
	Slot Slot
}

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
