package centrifuge

import (
	"slices"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// sub is a session's membership of a room, complete or under way, in 32 bytes.
type sub struct {
	room    *room.Room
	pending *pendingSub // not nil while the membership is under way and has no slot
	token   *subToken   // from its token or the roster, or nil
	slot    room.Slot
	kind    room.Kind
	notices bool // the room announces when it ends
	server  bool // the server made it
	placed  bool // the client relies on its position
}

// subToken holds the claims of a subscription's token, and the roles of the room's roster.
type subToken struct {
	info    []byte // ChanInfo
	expires int64  // unix seconds; 0 means never
	grants  token.Grants
	roles   policy.Roles // of the roster
	id      string       // of the token, for revocation
	issued  int64        // unix seconds; 0 if not known, or without a token

	byServer bool // the backend has set the expiry, and there is no token to renew
	ticket   bool // it comes from a token of the subscription or from the backend, and not only from the roster
}

// newSubToken returns nil if neither the token nor the roster says anything.
func newSubToken(w *subscription) *subToken {
	t := &subToken{info: w.info, grants: w.grants, roles: w.roles, id: w.id, byServer: w.byServer, ticket: w.ticket}
	if !w.expires.IsZero() {
		t.expires = w.expires.Unix()
	}
	if !w.issued.IsZero() {
		t.issued = w.issued.Unix()
	}
	if len(t.info) == 0 && t.issued == 0 && t.expires == 0 && t.grants.None() && t.roles == 0 && t.id == "" && !t.ticket {
		return nil
	}
	return t
}

// A subscription describes a membership to make.
type subscription struct {
	room    string
	opts    *policy.Options
	notices bool             // the client gets the notices of joins and leaves
	since   *engine.Position // recover from here; nil means no recovery
	strict  bool             // fail if the recovery is impossible
	server  bool             // the server makes it
	placed  bool             // the client gets its position, and learns of gaps
	info    []byte
	expires time.Time
	grants  token.Grants
	roles   policy.Roles // of the roster
	id      string       // of its token
	issued  time.Time    // of its token; zero if not known
	ticket  bool         // as subToken.ticket
	latch   *room.Latch  // the room gives a slot after the latch has opened; nil means no latch

	byServer bool        // as subToken.byServer
	reply    *cost.Reply // for the recovered publications; nil means a budget of its own
}

// pendingSub is a subscription that is being made. It implements Joiner.
type pendingSub struct {
	room.PendingJoin
	w    *subscription
	s    *session
	done func(room.Recovery, error)
}

// subscribe makes the session a member of a room. It calls done once, perhaps before it returns. If there
// is no error, done is called under the room's lock, and frames that done pushes come before all frames
// of the room. subscribe returns nil if the session cannot join.
func (s *session) subscribe(w *subscription, done func(room.Recovery, error)) *room.Room {
	if w.since != nil && w.reply == nil {
		w.reply = s.d.hub.Meter().NewReply(&s.Usage)
		told := done
		done = func(o room.Recovery, err error) {
			defer w.reply.End()
			told(o, err)
		}
	}
	j := &pendingSub{w: w, s: s, done: done}
	j.PendingJoin = room.PendingJoin{Room: w.room, Options: w.opts, Conn: s.conn, Kind: room.SessionKind(s.enc, s.conn.Variant(), w.notices), Owner: &s.Principal,
		Server: w.server, Since: w.since, Strict: w.strict, Latch: w.latch, Reply: w.reply, Joiner: j}
	r, err := s.d.hub.StartJoin(&j.PendingJoin)
	if err != nil {
		done(room.Recovery{}, err)
	}
	return r
}

// Author implements Joiner.
func (j *pendingSub) Author() engine.Author {
	a := j.s.author()
	a.ChanInfo = j.w.info
	return a
}

// CanReserve implements Joiner.
func (j *pendingSub) CanReserve() error {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	return j.s.canReserveLocked(j.w.room)
}

// Reserve implements Joiner.
func (j *pendingSub) Reserve(r *room.Room) error {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.canReserveLocked(j.w.room); err != nil {
		return err
	}
	s.subs = append(s.subs, sub{room: r, pending: j, server: j.w.server, placed: j.w.placed, token: newSubToken(j.w)})
	return nil
}

// Check implements Joiner.
func (j *pendingSub) Check() error {
	s := j.s
	if err := s.d.hub.Judge().Admit(s.d.hub.Judge().SubjectOf(s), j.w.room); err != nil {
		return err
	}
	if s.ticketRevoked(j.w.id, j.w.issued) || !s.mayStay(j.w.room, membershipAt(j.w.room, j.w.server, newSubToken(j.w))) {
		return wire.ErrPermissionDenied // since it was judged
	}
	return nil
}

// Reply implements Joiner.
func (j *pendingSub) Reply(out room.Recovery, err error) { j.done(out, err) }

// Finish implements Joiner. It holds session.mu throughout: so the session can withdraw the join before
// Finish, or leave the room after it, and nothing in between.
func (j *pendingSub) Finish(err error) error {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	// The session may have left meanwhile and subscribed again: that is another pendingSub.
	i := slices.IndexFunc(s.subs, func(one sub) bool { return one.pending == j })
	if i < 0 && err == nil {
		err = wire.ErrInternal
	}
	if err != nil {
		if i >= 0 {
			s.subs = slices.Delete(s.subs, i, i+1)
		}
		if !j.HasReplied() {
			j.done(room.Recovery{}, err)
		} else if i >= 0 {
			s.disconnectLost() // its reply is no longer true
		}
		return err
	}
	one := &s.subs[i]
	m := j.TakeSlot(one.room)
	one.kind, one.slot, one.pending = m.Kind, m.Slot, nil
	if one.notices = j.w.opts.Notices; one.notices {
		s.d.hub.Notify(one.room.Name(), engine.Notice{Who: s.authorAs(one)})
	}
	return nil
}

// canReserveLocked checks whether the session may have this room as another one.
func (s *session) canReserveLocked(name string) error {
	switch {
	case s.closed:
		return wire.ErrInternal
	case s.find(name) >= 0:
		return wire.ErrAlreadySubscribed
	case len(s.subs) >= s.cfg().MaxRoomsPerConn:
		return wire.ErrLimitExceeded
	}
	return nil
}

// find returns the index of a room in the session's subscriptions, or -1.
func (s *session) find(name string) int {
	return slices.IndexFunc(s.subs, func(one sub) bool { return one.room.Name() == name })
}

// resultOf returns the part of a reply that a subscribe command and a subscription made by the server
// have in common.
func resultOf(o room.Recovery, positioned, asked bool, e wire.Encoding) *protocol.SubscribeResult {
	res := &protocol.SubscribeResult{Recovered: o.Recovered, WasRecovering: asked}
	if positioned {
		res.Recoverable, res.Positioned = true, true
		res.Epoch, res.Offset = o.At.Epoch, o.At.Offset
	}
	for _, p := range o.Missed {
		if pub, ok := encode.Protocol(&p, e); ok {
			res.Publications = append(res.Publications, pub)
		}
	}
	return res
}

// unsubscribe ends the membership of a room, or the pending subscribe, and reports whether
// there was a membership.
func (s *session) unsubscribe(name string) bool {
	s.mu.Lock()
	s.withdrawLocked(name)
	i := s.find(name)
	if i < 0 {
		s.mu.Unlock()
		return false
	}
	one := s.takeLocked(i)
	s.mu.Unlock()
	s.releaseSlot(one)
	return true
}

// takeLocked removes a subscription from the session; the caller then releases its slot. If
// the room has notices, the leave is posted here, under session.mu, as the join is: so the
// notices of one session keep their order.
func (s *session) takeLocked(i int) sub {
	one := s.subs[i]
	s.subs = slices.Delete(s.subs, i, i+1)
	if one.notices {
		s.d.hub.Notify(one.room.Name(), engine.Notice{Left: true, Who: s.authorAs(&one)})
	}
	return one
}

// releaseSlot gives back the slot of a subscription that takeLocked has removed.
func (s *session) releaseSlot(one sub) {
	if one.pending != nil {
		one.room.Abandon(&one.pending.PendingJoin)
		return
	}
	s.d.hub.Leave(s.member(&one))
}

// Lose implements Session. Room.mu is held.
func (s *session) Lose(room string) (lost, told bool) {
	s.mu.Lock()
	i := s.find(room)
	if i < 0 || !s.subs[i].placed || s.subs[i].pending != nil {
		s.mu.Unlock()
		return false, false
	}
	one := s.takeLocked(i)
	s.mu.Unlock()
	if one.server {
		s.disconnectLost()
	}
	return true, !one.server
}

// disconnectLost closes the connection after a gap in a subscription that the server made. The session's lock or
// that of a room may be held.
func (s *session) disconnectLost() {
	s.Disconnect(wire.DisconnectInsufficientState)
	s.d.hub.Post(func() { s.logRefusal("", wire.DisconnectInsufficientState) })
}

// TellLost implements Session.
func (s *session) TellLost(room string) { s.tell(wire.UnsubscribeInsufficientState.Push(room)) }
