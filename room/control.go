package room

import (
	"errors"
	"slices"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// ErrNoTarget: an order for nobody in particular.
var ErrNoTarget = errors.New("room: name the user or the client that is meant")

// ErrBadOrder: a disconnect code that is not from 3000 to 4999, a reason over
// 123 bytes, or info or data that is not one JSON value.
var ErrBadOrder = errors.New("room: the code, the reason, the info or the data cannot be said to a client")

// maxReason is what a close frame has room for.
const maxReason = 123

// SendControl checks a control message and sends it to all nodes. done gets an error if the message
// is invalid (ErrNoTarget, ErrBadOrder, or a fault of the room's name), or if applying it failed. It
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
		return ErrBadOrder
	}
	for _, field := range []*[]byte{&o.Info, &o.Data} {
		if *field == nil {
			continue
		}
		data, err := wire.Data(false, *field)
		if err != nil {
			return ErrBadOrder
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
		if !sparesAdmin(&o, s.who.Load()) {
			s.applyControl(o)
		}
	}
	if o.To.User == "" || h.bearers.Load() > 0 {
		h.applyToPlain(o)
	}
	return nil
}

func sparesAdmin(o *engine.ControlMessage, who *identity) bool {
	return o.To.Spare && policy.RolesOf(who, o.Room)&RoleAdmin != 0
}

// applyToPlain is Apply for plain connections, which can only be sent away: who
// is to leave the room that it is in, too.
func (h *Hub) applyToPlain(o engine.ControlMessage) {
	meant := func(c netpoll.Conn) bool {
		a := authorOf(c)
		return (o.To.User == "" || a.User == o.To.User) && o.To.Names(a.Client) && !sparesAdmin(&o, bearerOf(c))
	}
	switch {
	case o.Kind == engine.ControlDisconnect:
		h.closePlain("", wire.DisconnectCode(o.Code), o.Reason, meant)
	case o.Kind == engine.ControlUnsubscribe:
		end := wire.DisconnectForceNoReconnect
		h.closePlain(o.Room, end, end.Text(), meant)
	case endsConnections(&o):
		end := wire.DisconnectExpired
		h.closePlain("", end, end.Text(), meant)
	}
}

// endsConnections tells whether it is a refresh that ends connections.
func endsConnections(o *engine.ControlMessage) bool {
	return o.Kind == engine.ControlRefresh && (o.Expired || !o.Expires.IsZero() && !o.Expires.After(time.Now()))
}

// closePlain closes the plain connections of a room, or of all, that a test picks.
// Without a room it walks all connections, as all does, so it is for what only
// operators and moderators of all rooms can do.
func (h *Hub) closePlain(room string, code wire.DisconnectCode, reason string, test func(netpoll.Conn) bool) {
	walk := h.server.Conns()
	if room != "" {
		walk = h.conns(room, func(k kind) bool { return k.dialect() == plainDialect })
	}
	for c := range walk {
		if _, plain := h.Member(c); plain && test(c) {
			_ = c.Close(wireStatus(code), reason)
		}
	}
}

// applyControl applies a control message. A session whose connect reply is not out yet is
// about to have it, and nothing may come before that.
func (s *session) applyControl(o engine.ControlMessage) {
	if !s.connected.Load() {
		if !s.hub.users.gone(s) {
			s.hub.soon(func() { s.applyControl(o) })
		}
		return
	}
	switch o.Kind {
	case engine.ControlSubscribe:
		s.ordered(o)
	case engine.ControlUnsubscribe:
		s.expelled(o.Room)
	case engine.ControlDisconnect:
		_ = s.conn.Close(wireStatus(wire.DisconnectCode(o.Code)), o.Reason)
	case engine.ControlRefresh:
		s.refreshed(o)
	case engine.ControlRoster:
		s.lookAtRoster(o.Room)
	case engine.ControlSend:
		s.tell(&protocol.Reply{Push: &protocol.Push{Message: &protocol.Message{Data: o.Data}}})
	}
}

// ordered joins the session to a room, and tells it so before anything that the
// room says.
func (s *session) ordered(o engine.ControlMessage) {
	opts := overridden(o.Override, s.hub.cfg.options(o.Room))
	if wire.Admit(s.enc, opts.Binary) != nil {
		return // it could not be told what is said there
	}
	if v := s.hub.decide(s.subject(), ActJoin, o.Room, opts, policy.Membership{Ticket: true}, false); v.Outcome != policy.Allow {
		return // whatever a backend wants: a # room is between those whom its name has, and a ban holds
	}
	w := &wanted{room: o.Room, opts: opts, notices: opts.ForceNotices, since: o.Since, server: true, placed: opts.Recoverable, info: o.Info, expires: o.Expires, byServer: true}
	s.subscribe(w, func(got subscribed, err error) {
		if err != nil {
			return
		}
		push := &protocol.Subscribe{Data: o.Data}
		if opts.Recoverable {
			push.Recoverable, push.Positioned = true, true
			push.Epoch, push.Offset = got.at.Epoch, got.at.Offset
		}
		reply := takeOut(s)
		defer reply.give()
		reply.reply(&protocol.Reply{Push: &protocol.Push{Channel: o.Room, Subscribe: push}})
		for _, p := range got.missed {
			if pub, ok := protocolPublication(&p, s.enc); ok {
				reply.reply(&protocol.Reply{Push: &protocol.Push{Channel: o.Room, Pub: pub}})
			}
		}
		s.lookBy(s.hub.dueAt(o.Expires, true))
	})
}

// OverrideOf is what a token, or a backend, says of a subscription. Presence is the
// room's, and no member's; who knows its position may recover, and the other way
// round.
func OverrideOf(v token.Override) engine.Override {
	value := func(f *token.Flag) *bool {
		if f == nil {
			return nil
		}
		return &f.Value
	}
	o := engine.Override{Notices: value(v.JoinLeave), ForceNotices: value(v.ForcePushJoinLeave), Recoverable: value(v.ForceRecovery)}
	if o.Recoverable == nil {
		o.Recoverable = value(v.ForcePositioning)
	}
	return o
}

// overridden are a room's options as a subscription has them.
func overridden(v engine.Override, opts *Options) *Options {
	if v == (engine.Override{}) {
		return opts
	}
	o := *opts
	for _, one := range []struct{ from, to *bool }{
		{v.Notices, &o.Notices}, {v.ForceNotices, &o.ForceNotices}, {v.Recoverable, &o.Recoverable},
	} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	return &o
}

// expelled takes the session out of a room, or of all, and tells it so.
func (s *session) expelled(room string) {
	rooms := []string{room}
	if room == "" {
		s.mu.Lock()
		rooms = rooms[:0]
		s.wishes = nil
		for _, one := range s.subs {
			rooms = append(rooms, one.room.name)
		}
		s.mu.Unlock()
	}
	for _, name := range rooms {
		if s.unsubscribe(name) {
			s.tell(wire.UnsubscribeServer.Push(name))
		}
	}
}

// refreshed changes when the session ends, or what is shown of it.
func (s *session) refreshed(o engine.ControlMessage) {
	if endsConnections(&o) {
		s.disconnect(wire.DisconnectExpired)
		return
	}
	for {
		old := s.who.Load()
		who := *old
		who.Expires = o.Expires
		if o.Info != nil {
			who.Info = o.Info
		}
		if s.who.CompareAndSwap(old, &who) {
			break
		}
	}
	s.expireBy(o.Expires)
	push := &protocol.Refresh{}
	push.Expires, push.Ttl = ttlOf(o.Expires, s.refreshedByServer())
	s.tell(&protocol.Reply{Push: &protocol.Push{Refresh: push}})
}

// revoke notes that tokens are no longer good, and closes who came with them.
func (h *Hub) revoke(o engine.ControlMessage) error {
	if h.cfg.Revoked == nil {
		return wire.ErrNotAvailable
	}
	var err error
	var bad []*session
	if o.Token != "" {
		err = h.cfg.Revoked.RevokeID(o.Token, o.Until)
		bad = h.all(func(s *session) bool { return s.who.Load().ID == o.Token })
		by := func(t *subToken) bool { return t.id == o.Token }
		for _, s := range h.all(func(s *session) bool { return len(s.roomsBy(by)) > 0 }) {
			s.expelledBy(by)
		}
	} else {
		err = h.cfg.Revoked.RevokeUser(o.To.User, o.At, o.Until)
		by := func(t *subToken) bool { return t.issued != 0 && !time.Unix(t.issued, 0).After(o.At) }
		for _, s := range h.users.of(o.To.User) {
			s.expelledBy(by) // its connection may have a newer token than a subscription of it
		}
		bad = slices.DeleteFunc(h.users.of(o.To.User), func(s *session) bool { return s.who.Load().IssuedAt.After(o.At) })
	}
	for _, s := range bad {
		s.disconnect(wire.DisconnectInvalidToken)
	}
	if h.bearers.Load() == 0 {
		return err
	}
	code := wire.DisconnectInvalidToken
	h.closePlain("", code, code.Text(), func(c netpoll.Conn) bool {
		p, named := c.Data().(*plainConn)
		if !named || o.Token != "" {
			return named && p.who.ID == o.Token
		}
		return p.who.User == o.To.User && !p.who.IssuedAt.After(o.At)
	})
	return err
}

// roomsBy are those that the session is in by a subscription token of which a test is
// true.
func (s *session) roomsBy(test func(*subToken) bool) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.subs {
		if one.token != nil && test(one.token) {
			all = append(all, one.room.name)
		}
	}
	return all
}

// expelledBy takes the session out of the rooms that roomsBy names.
func (s *session) expelledBy(test func(*subToken) bool) {
	for _, room := range s.roomsBy(test) {
		s.expelled(room)
	}
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
		plain += r.seatsLocked(func(k kind) bool { return k.dialect() == plainDialect })
		r.mu.Unlock()
		c.Channels++
		c.Members += members
		if q.Rooms != "" && token.Match(q.Rooms, r.name) {
			c.Rooms[r.name] = members
		}
	}
	c.Clients += plain
	if plain+anonymous > 0 {
		c.Users++
	}
	return c
}

// Node is the name of this node, another one after each start.
func (h *Hub) Node() string { return h.id }
