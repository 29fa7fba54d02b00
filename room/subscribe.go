package room

import (
	"slices"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// A subscription is made in four steps, none of which waits:
//
//	enter   the room counts the member in, so that it lasts
//	catch   what is published from now on is kept for the member
//	ask     the engine tells the room's history and its top
//	seat    under the room's lock the reply is queued and the member seated
//
// The reply has what was missed up to the last publication that the room
// delivered; the seat is owed what comes behind it. So nothing is lost, doubled
// or out of order, however busy the room is and however late the history comes.

// sub is a session's membership of a room, or one under way; 32 bytes.
type sub struct {
	room    *Room
	joining *joining  // while it is under way: it has no seat yet
	token   *subToken // what a token said of it, or nil
	seat    seat
	kind    kind
	notices bool // others are told when it leaves
	server  bool // the server made it
	placed  bool // it relies on its place, see gap.go
}

// subToken is what the token of a subscription, or the room's roster, says.
type subToken struct {
	info    []byte // ChanInfo
	expires int64  // unix seconds; 0: never
	grants  token.Grants
	roles   Roles  // of the roster
	id      string // of the token, by which it is revoked
	issued  int64  // unix seconds; 0: not known, or no token

	byServer bool // the backend said when it expires, and there is no token to renew
}

// newSubToken is nil if there is nothing to say.
func newSubToken(w *wanted) *subToken {
	t := &subToken{info: w.info, grants: w.grants, roles: w.roles, id: w.id, byServer: w.byServer}
	if !w.expires.IsZero() {
		t.expires = w.expires.Unix()
	}
	if !w.issued.IsZero() {
		t.issued = w.issued.Unix()
	}
	if len(t.info) == 0 && t.issued == 0 && t.expires == 0 && t.grants.None() && t.roles == 0 && t.id == "" {
		return nil
	}
	return t
}

// wanted is a subscription to be made.
type wanted struct {
	room    string
	opts    *Options
	notices bool             // it wants to know who comes and goes
	since   *engine.Position // recover from there; nil: not asked for
	strict  bool             // no subscription, and an error, if that cannot be
	server  bool
	placed  bool // it is told its place, and of gaps
	info    []byte
	expires time.Time
	grants  token.Grants
	roles   Roles     // of the roster
	id      string    // of its token
	issued  time.Time // its token was issued then; zero: not known
	latch   *latch    // wait there before taking the seat; nil: do not

	byServer bool   // as subToken.byServer
	reply    *reply // that says what was missed; nil: one of its own
}

// subscribe makes the session a member of a room. done is called once, perhaps
// before subscribe returns; when there is no error the room's lock is held, and
// what done pushes comes before anything that the room sends. The room is nil
// if it cannot be entered.
func (s *session) subscribe(w *wanted, done func(subscribed, error)) *Room {
	if w.since != nil && w.reply == nil {
		w.reply = s.newReply()
		told := done
		done = func(o subscribed, err error) {
			defer w.reply.end()
			told(o, err)
		}
	}
	j := &joining{wanted: w, s: s, kind: kindOf(dialectOf(s.enc), s.conn.Variant(), w.notices)}
	j.done = func(o subscribed) { done(o, j.err) }
	r, err := s.enter(j)
	if err != nil {
		done(subscribed{}, err)
		return nil
	}
	r.mu.Lock()
	r.joinLocked(j)
	err = s.mayBe(w.room) // only now: a ban, or a revocation, that comes later finds it among the subscriptions
	if err == nil && s.hub.ticketRevoked(s.who.Load().User, w.id, w.issued) {
		err = wire.ErrPermissionDenied
	}
	if err != nil {
		j.err = err
		r.seatLocked()
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	if !w.opts.Recoverable {
		w.since = nil
		r.tellHistory(j, engine.History{}, nil) // who cannot recover need not know
		return r
	}
	part := engine.Span{} // nothing: only the top is asked for
	if w.since != nil {
		part = engine.Span{Behind: w.since.Offset, Limit: -1, Places: true, Bytes: max(1, w.reply.room())}
	}
	s.hub.engine.History(w.room, part, func(h engine.History, err error) { r.tellHistory(j, h, err) })
	return r
}

// enter finds or makes the room, counts the session in, and notes it among the
// session's subscriptions. Errors are ErrorCodes.
func (s *session) enter(j *joining) (*Room, error) {
	for {
		s.mu.Lock()
		err := s.mayEnterLocked(j.room)
		s.mu.Unlock()
		if err != nil {
			return nil, err // before a room is made for nothing
		}
		r, err := s.hub.room(j.room, func() budget.Owner { return s.payer })
		if err != nil {
			return nil, wire.Again(wire.ErrLimitExceeded, "limit exceeded: the server has as many rooms as it may, or you made as many as one may: try again later")
		}
		if err := r.affordNotices(j); err != nil {
			return nil, err
		}
		switch err = r.admit(j); err {
		case errEnded:
			continue
		case ErrRoomFull:
			return nil, wire.Again(wire.ErrLimitExceeded, "limit exceeded: the room has as many members as it may: try again later")
		}
		return r, err
	}
}

// admit counts the session in and notes the room among its subscriptions, both
// or none.
func (r *Room) admit(j *joining) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enterLocked(); err != nil {
		return err
	}
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayEnterLocked(j.room); err != nil {
		r.quitLocked()
		return err
	}
	s.subs = append(s.subs, sub{room: r, joining: j, server: j.server, placed: j.placed, token: newSubToken(j.wanted)})
	return nil
}

// quitLocked takes back what enterLocked did. Room.mu is held.
func (r *Room) quitLocked() {
	if r.members--; r.members == 0 {
		r.hub.soon(func() { r.hub.vacated(r) })
	}
}

// mayEnterLocked checks what the session itself has against another room.
func (s *session) mayEnterLocked(name string) error {
	switch {
	case s.closed:
		return wire.ErrInternal
	case s.find(name) >= 0:
		return wire.ErrAlreadySubscribed
	case len(s.subs) >= s.hub.cfg.MaxRoomsPerConn:
		return wire.ErrLimitExceeded
	}
	return nil
}

// find is the place of a room among the session's subscriptions, or -1.
func (s *session) find(name string) int {
	return slices.IndexFunc(s.subs, func(one sub) bool { return one.room.name == name })
}

// result is the reply's part that a subscribe command and a subscription made
// by the server have in common.
func (o subscribed) result(positioned, asked bool, e wire.Encoding) *protocol.SubscribeResult {
	res := &protocol.SubscribeResult{Recovered: o.recovered, WasRecovering: asked}
	if positioned {
		res.Recoverable, res.Positioned = true, true
		res.Epoch, res.Offset = o.at.Epoch, o.at.Offset
	}
	for _, p := range o.missed {
		if pub, ok := protocolPublication(&p, e); ok {
			res.Publications = append(res.Publications, pub)
		}
	}
	return res
}

// unsubscribe ends a membership, and what may become one; it reports whether
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
	s.leave(one)
	return true
}

// takeLocked takes a subscription from the session, whose seat is to be given
// back then. Others learn of it where the room's options say so, and before they
// can learn that it is back: session.mu is held, as it is when that is told.
func (s *session) takeLocked(i int) sub {
	one := s.subs[i]
	s.subs = slices.Delete(s.subs, i, i+1)
	if one.notices {
		s.hub.notify(one.room.name, engine.Notice{Left: true, Who: s.authorAs(&one)})
	}
	return one
}

// leave gives back the seat of a subscription that is no longer the session's.
func (s *session) leave(one sub) {
	if one.joining != nil {
		one.room.abandon(one.joining)
		return
	}
	s.hub.leave(Member{one.room, s.conn, one.kind, one.seat})
}

// abandon ends the making of a subscription that its session has given up: it
// holds neither its place nor what it caught until the engine answers.
func (r *Room) abandon(j *joining) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.err = wire.ErrInternal
	r.seatLocked()
}
