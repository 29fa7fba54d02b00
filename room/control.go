package room

import (
	"errors"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/name"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// ErrNoTarget means that a control message names neither a user nor a client.
var ErrNoTarget = errors.New("room: name the user or the client that is meant")

// ErrBadControl means that a control message has a disconnect code outside 3000 to 4999, a reason over
// 123 bytes, or info or data that is not one JSON value.
var ErrBadControl = errors.New("room: the code, the reason, the info or the data cannot be sent to a client")

// maxReason is the maximum size of the reason in a close frame, in bytes.
const maxReason = 123

// SendControl checks a control message and sends it to all nodes. done gets an error if the message
// is invalid (ErrNoTarget, ErrBadControl, or a fault of the room's name), or if applying it failed. It
// is no error if no connection matches the target, or if a connection cannot join the room because
// it is already there, is in too many rooms, or is not one of the users of a # room. Any goroutine
// may call SendControl, and any goroutine may call done.
func (h *Hub) SendControl(m engine.ControlMessage, done func(error)) {
	err := checkControl(&m)
	if err == nil && m.Kind == engine.ControlRevoke && h.cfg.Revoked == nil {
		err = wire.ErrNotAvailable
	}
	if err != nil {
		done(err)
		return
	}
	if m.Kind != engine.ControlRevoke {
		h.engine.SendControl(m, done)
		return
	}
	h.storeRevocation(m, func(err error) {
		if err != nil {
			done(err)
			return
		}
		h.engine.SendControl(m, done)
	})
}

// checkControl validates a control message, and normalizes the room's name and the JSON in it.
func checkControl(m *engine.ControlMessage) error {
	if m.To.User == "" && m.To.Client == "" && m.To.Session == "" && (m.Kind != engine.ControlRevoke || m.Token == "") {
		return ErrNoTarget
	}
	if m.Kind == engine.ControlSubscribe || m.Kind == engine.ControlRoster || m.Kind == engine.ControlUnsubscribe && m.Room != "" {
		name, err := wire.RoomName(m.Room)
		if err != nil {
			return err
		}
		m.Room = name
	}
	if m.Kind == engine.ControlDisconnect && (m.Code < 3000 || m.Code > 4999 || len(m.Reason) > maxReason) {
		return ErrBadControl
	}
	for _, field := range []*[]byte{&m.Info, &m.Data} {
		if *field == nil {
			continue
		}
		data, err := wire.Data(false, *field)
		if err != nil {
			return ErrBadControl
		}
		*field = data
	}
	return nil
}

// Apply implements engine.Node.
func (h *Hub) Apply(m engine.ControlMessage) error {
	if m.Kind == engine.ControlRevoke {
		return h.revoke(m)
	}
	for _, s := range h.targets(m.To) {
		if !exceptsAdmin(&m, s.state().who.Load()) {
			s.Apply(m)
		}
	}
	if m.To.User == "" || h.bearers.Load() > 0 {
		h.applyToPlain(m)
	}
	return nil
}

func exceptsAdmin(m *engine.ControlMessage, who *token.Identity) bool {
	return m.To.ExceptAdmins && policy.RolesOf(who, m.Room)&policy.RoleAdmin != 0
}

// applyToPlain applies a control message to plain connections. It can only close them, also if they must
// leave their room.
func (h *Hub) applyToPlain(m engine.ControlMessage) {
	meant := func(c netpoll.Conn) bool {
		a := AuthorOf(c)
		return (m.To.User == "" || a.User == m.To.User) && m.To.Names(a.Client) && !exceptsAdmin(&m, IdentityOf(c))
	}
	switch {
	case m.Kind == engine.ControlDisconnect:
		h.closePlain("", wire.DisconnectCode(m.Code), m.Reason, meant)
	case m.Kind == engine.ControlUnsubscribe:
		end := wire.DisconnectForceNoReconnect
		h.closePlain(m.Room, end, end.Text(), meant)
	case EndsConnections(&m):
		end := wire.DisconnectExpired
		h.closePlain("", end, end.Text(), meant)
	}
}

// EndsConnections reports whether a control message is a refresh that ends connections.
func EndsConnections(m *engine.ControlMessage) bool {
	return m.Kind == engine.ControlRefresh && (m.Expired || !m.Expires.IsZero() && !m.Expires.After(time.Now()))
}

// closePlain closes the plain connections that are in a room and pass a test. Without a room it walks
// all connections of the server, so only operators and moderators of all rooms may cause that.
func (h *Hub) closePlain(room string, code wire.DisconnectCode, reason string, test func(netpoll.Conn) bool) {
	walk := h.server.Conns()
	if room != "" {
		walk = h.conns(room, func(k Kind) bool { return k.dialect() == encode.Plain })
	}
	for c := range walk {
		if _, plain := h.Member(c); plain && test(c) {
			_ = c.Close(ws.StatusCode(code), reason)
		}
	}
}

// revoke stores that tokens are no longer valid. It ends the connections and the subscriptions that were
// made with these tokens.
func (h *Hub) revoke(m engine.ControlMessage) error {
	if h.cfg.Revoked == nil {
		return wire.ErrNotAvailable
	}
	var err error
	var some []Session
	if m.Token != "" {
		err = h.cfg.Revoked.RevokeID(m.Token, m.Until)
		some = h.all(func(Session) bool { return true })
	} else {
		err = h.cfg.Revoked.RevokeUser(m.To.User, m.At, m.Until)
		some = h.sessionsOf(m.To.User)
	}
	for _, s := range some {
		s.Apply(m)
	}
	if h.bearers.Load() == 0 {
		return err
	}
	code := wire.DisconnectInvalidToken
	h.closePlain("", code, code.Text(), func(c netpoll.Conn) bool {
		p := principalOf(c)
		return p != nil && RevokesToken(&m, p.who.Load())
	})
	return err
}

// RevokesToken reports whether a control message of the kind ControlRevoke revokes the token of an
// identity.
func RevokesToken(m *engine.ControlMessage, who *token.Identity) bool {
	if m.Token != "" {
		return who.ID == m.Token
	}
	return who.User == m.To.User && !who.IssuedAt.After(m.At)
}

// Collect asks all nodes for their NodeInfo. The error is a wire.ErrorCode.
func (h *Hub) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	h.engine.Collect(q, func(all []engine.NodeInfo, err error) {
		if err != nil {
			err = wire.Internal(err)
		}
		done(all, err)
	})
}

// Info implements engine.Node.
func (h *Hub) Info(q engine.Question) engine.NodeInfo {
	sessions, anonymous, named := h.users.Count()
	c := engine.NodeInfo{Node: h.id, Version: h.cfg.Version, Uptime: time.Since(h.started), Clients: sessions, Users: named, Rooms: map[string]int{}}
	plain := 0
	for _, r := range h.Rooms() {
		r.mu.Lock()
		members := int(r.members)
		plain += r.countSlotsLocked(func(k Kind) bool { return k.dialect() == encode.Plain })
		r.mu.Unlock()
		c.Channels++
		c.Members += members
		if q.Rooms != "" && name.Match(q.Rooms, r.name) {
			c.Rooms[r.name] = members
		}
	}
	c.Clients += plain
	if plain+anonymous > 0 {
		c.Users++
	}
	return c
}

// Node returns the name of this node, which is new after each start.
func (h *Hub) Node() string { return h.id }
