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
func (h *Hub) SendControl(o engine.ControlMessage, done func(error)) {
	err := checkControl(&o)
	if err == nil && o.Kind == engine.ControlRevoke && h.cfg.Revoked == nil {
		err = wire.ErrNotAvailable
	}
	if err != nil {
		done(err)
		return
	}
	h.engine.SendControl(o, done)
}

// checkControl validates a control message, and normalizes the room's name and the JSON in it.
func checkControl(o *engine.ControlMessage) error {
	if o.To.User == "" && o.To.Client == "" && o.To.Session == "" && (o.Kind != engine.ControlRevoke || o.Token == "") {
		return ErrNoTarget
	}
	if o.Kind == engine.ControlSubscribe || o.Kind == engine.ControlRoster || o.Kind == engine.ControlUnsubscribe && o.Room != "" {
		name, err := wire.RoomName(o.Room)
		if err != nil {
			return err
		}
		o.Room = name
	}
	if o.Kind == engine.ControlDisconnect && (o.Code < 3000 || o.Code > 4999 || len(o.Reason) > maxReason) {
		return ErrBadControl
	}
	for _, field := range []*[]byte{&o.Info, &o.Data} {
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
func (h *Hub) Apply(o engine.ControlMessage) error {
	if o.Kind == engine.ControlRevoke {
		return h.revoke(o)
	}
	for _, s := range h.targets(o.To) {
		if !exceptsAdmin(&o, s.state().who.Load()) {
			s.Apply(o)
		}
	}
	if o.To.User == "" || h.bearers.Load() > 0 {
		h.applyToPlain(o)
	}
	return nil
}

func exceptsAdmin(o *engine.ControlMessage, who *token.Identity) bool {
	return o.To.ExceptAdmins && policy.RolesOf(who, o.Room)&RoleAdmin != 0
}

// applyToPlain applies a control message to plain connections. It can only close them, also if they must
// leave their room.
func (h *Hub) applyToPlain(o engine.ControlMessage) {
	meant := func(c netpoll.Conn) bool {
		a := AuthorOf(c)
		return (o.To.User == "" || a.User == o.To.User) && o.To.Names(a.Client) && !exceptsAdmin(&o, identityOf(c))
	}
	switch {
	case o.Kind == engine.ControlDisconnect:
		h.closePlain("", wire.DisconnectCode(o.Code), o.Reason, meant)
	case o.Kind == engine.ControlUnsubscribe:
		end := wire.DisconnectForceNoReconnect
		h.closePlain(o.Room, end, end.Text(), meant)
	case EndsConnections(&o):
		end := wire.DisconnectExpired
		h.closePlain("", end, end.Text(), meant)
	}
}

// EndsConnections reports whether a control message is a refresh that ends connections.
func EndsConnections(o *engine.ControlMessage) bool {
	return o.Kind == engine.ControlRefresh && (o.Expired || !o.Expires.IsZero() && !o.Expires.After(time.Now()))
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
func (h *Hub) revoke(o engine.ControlMessage) error {
	if h.cfg.Revoked == nil {
		return wire.ErrNotAvailable
	}
	var err error
	var some []Session
	if o.Token != "" {
		err = h.cfg.Revoked.RevokeID(o.Token, o.Until)
		some = h.all(func(Session) bool { return true })
	} else {
		err = h.cfg.Revoked.RevokeUser(o.To.User, o.At, o.Until)
		some = h.sessionsOf(o.To.User)
	}
	for _, s := range some {
		s.Apply(o)
	}
	if h.bearers.Load() == 0 {
		return err
	}
	code := wire.DisconnectInvalidToken
	h.closePlain("", code, code.Text(), func(c netpoll.Conn) bool {
		p := principalOf(c)
		return p != nil && RevokesToken(&o, p.who.Load())
	})
	return err
}

// RevokesToken reports whether a control message of the kind ControlRevoke revokes the token of an
// identity.
func RevokesToken(o *engine.ControlMessage, who *token.Identity) bool {
	if o.Token != "" {
		return who.ID == o.Token
	}
	return who.User == o.To.User && !who.IssuedAt.After(o.At)
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
	sessions, anonymous, named := h.users.count()
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
