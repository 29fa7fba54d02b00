package room

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/centrifugal/protocol"

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
	seat    seat
	kind    kind
	joining bool      // under way: it has no seat yet
	notices bool      // others are told when it leaves
	server  bool      // the server made it
	token   *subToken // what a token said of it, or nil
}

// subToken is what the token of a subscription says.
type subToken struct {
	info    []byte // ChanInfo
	expires int64  // unix seconds; 0: never
}

// newSubToken is nil if there is nothing to say.
func newSubToken(info []byte, expires time.Time) *subToken {
	switch {
	case !expires.IsZero():
		return &subToken{info, expires.Unix()}
	case len(info) > 0:
		return &subToken{info, 0}
	}
	return nil
}

// wanted is a subscription to be made.
type wanted struct {
	room    string
	opts    *Options
	notices bool      // it wants to know who comes and goes
	since   *Position // recover from there; nil: not asked for
	server  bool
	info    []byte
	expires time.Time
	latch   *latch // wait there before taking the seat; nil: do not
}

// joining is a subscription under way. Under Room.mu.
type joining struct {
	*wanted
	s    *session
	kind kind
	done func(subscribed)

	told    bool          // the outcome, while the latch is closed
	caught  []Publication // delivered since it began, or since it was told
	bytes   int           // of them
	history History
	known   bool // the history has come
	err     error
}

// subscribed is how a subscription was made.
type subscribed struct {
	top       Position
	recovered bool
	missed    []Publication
}

// subscribe makes the session a member of a room. done is called once, perhaps
// before subscribe returns; when there is no error the room's lock is held, and
// what done pushes comes before anything that the room sends. The room is nil
// if it cannot be entered.
func (s *session) subscribe(w *wanted, done func(subscribed, error)) *Room {
	r, err := s.enter(w)
	if err != nil {
		done(subscribed{}, err)
		return nil
	}
	j := &joining{wanted: w, s: s, kind: kindOf(dialectOf(s.enc), s.conn.Variant(), w.notices)}
	j.done = func(o subscribed) { done(o, j.err) }
	r.mu.Lock()
	r.joining = append(r.joining, j)
	r.mu.Unlock()
	from := ^uint64(0) // nothing: only the top is asked for
	if w.since != nil {
		from = w.since.Offset
	}
	s.hub.engine.History(w.room, from, 0, func(h History, err error) {
		r.mu.Lock()
		j.history, j.known = h, true
		if err != nil {
			j.err = wire.ErrInternal
		}
		r.seatLocked()
		r.mu.Unlock()
	})
	return r
}

// enter finds or makes the room, counts the session in, and notes it among the
// session's subscriptions. Errors are ErrorCodes.
func (s *session) enter(w *wanted) (*Room, error) {
	one := sub{joining: true, server: w.server, token: newSubToken(w.info, w.expires)}
	for {
		if err := s.mayEnter(w.room); err != nil {
			return nil, err
		}
		r, err := s.hub.room(w.room, s.conn.Server())
		if err == nil {
			r.mu.Lock()
			err = r.enterLocked()
			r.mu.Unlock()
		}
		if err == errEnded {
			continue
		}
		if err != nil {
			return nil, wire.ErrLimitExceeded
		}
		one.room = r
		return r, s.note(one)
	}
}

// note adds a subscription whose room has counted the session in, unless
// another goroutine was faster, or the session has ended.
func (s *session) note(one sub) error {
	r := one.room
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayEnterLocked(r.name); err != nil {
		r.quitLocked()
		return err
	}
	s.subs = append(s.subs, one)
	return nil
}

// mayEnter checks what the session itself has against another room. The answer
// is good until somebody else adds a subscription: the client, or an order.
func (s *session) mayEnter(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mayEnterLocked(name)
}

func (s *session) mayEnterLocked(name string) error {
	switch {
	case s.closed:
		return wire.ErrInternal // nobody will read that
	case s.find(name) >= 0:
		return wire.ErrAlreadySubscribed
	case len(s.subs) >= s.hub.cfg.MaxRoomsPerConn:
		return wire.ErrLimitExceeded
	}
	return nil
}

// quitLocked takes back what enterLocked counted.
func (r *Room) quitLocked() {
	if r.members--; r.members == 0 {
		r.hub.soon(func() { r.hub.vacated(r) })
	}
}

// find is the place of a room among the session's subscriptions, or -1.
func (s *session) find(name string) int {
	return slices.IndexFunc(s.subs, func(one sub) bool { return one.room.name == name })
}

// catchLocked keeps a publication for those who are joining.
func (r *Room) catchLocked(p Publication) {
	if len(r.joining) == 0 {
		return
	}
	p.Data = slices.Clone(p.Data)
	for _, j := range r.joining {
		if j.bytes += len(p.Data); j.bytes > r.hub.cfg.MaxUnswept {
			j.caught, j.err = nil, wire.ErrInternal // a temporary error: the history comes too slowly
			continue
		}
		j.caught = append(j.caught, p)
	}
}

// A latch keeps subscriptions that are part of a connect reply from their seats
// until that is queued. Nil is open.
type latch struct{ open atomic.Bool }

func (g *latch) closed() bool { return g != nil && !g.open.Load() }

// seatLocked seats those who are joining and have what they need: the history,
// all that it knows delivered here too, and no sweep that has them in hand from
// the last time they were in the room.
func (r *Room) seatLocked() {
	wait := r.joining[:0]
	for _, j := range r.joining {
		behind := j.err == nil && r.top.Epoch == j.history.Top.Epoch && r.top.Offset < j.history.Top.Offset
		switch {
		case !j.known || behind || r.leaving[j.s.conn.ID()] != nil:
			wait = append(wait, j)
		case j.err == nil && j.latch.closed():
			if !j.told {
				r.tell(j)
			}
			wait = append(wait, j)
		default:
			r.seatJoining(j)
		}
	}
	clear(r.joining[len(wait):])
	if r.joining = wait; len(wait) == 0 {
		r.joining = nil
	}
}

// tell says how the subscription is made; what is published from here on comes
// after that.
func (r *Room) tell(j *joining) {
	if top := j.history.Top; r.top.Epoch != top.Epoch {
		r.top = Position{top.Epoch, max(r.top.Offset, top.Offset)}
	}
	j.done(j.outcome(r.top))
	j.told, j.caught = true, nil
}

// seatJoining ends a subscription's making.
func (r *Room) seatJoining(j *joining) {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(r.name)
	if i < 0 { // it closed or unsubscribed meanwhile
		j.err = wire.ErrInternal
	}
	if j.err != nil {
		r.quitLocked()
		if i >= 0 {
			s.subs = slices.Delete(s.subs, i, i+1)
		}
		if !j.told {
			j.done(subscribed{})
		}
		return
	}
	if !j.told {
		r.tell(j)
	}
	for _, p := range j.caught { // while the latch was closed
		if e := p.encode(r.name, j.kind.dialect()); e.op != 0 {
			_ = s.conn.Push(e.op, e.data)
		}
	}
	one := &s.subs[i]
	one.kind, one.seat = j.kind, r.sitLocked(s.conn, j.kind)
	if one.joining, one.notices = false, j.opts.Notices; one.notices {
		r.hub.notify(r.name, Notice{Who: s.authorAs(one)})
	}
}

// outcome puts the history and what was caught together. What cannot be proven
// to be all that was missed is not recovered.
func (j *joining) outcome(top Position) subscribed {
	out := subscribed{top: top}
	if j.since == nil || j.since.Epoch != top.Epoch || j.since.Offset > top.Offset {
		return out
	}
	last := j.since.Offset
	for _, p := range slices.Concat(j.history.Publications, j.caught) {
		if p.Offset <= last {
			continue // in both
		}
		if p.Prev != last {
			return subscribed{top: top} // what was between is forgotten
		}
		out.missed = append(out.missed, p)
		last = p.Offset
	}
	if out.recovered = last == top.Offset; !out.recovered {
		out.missed = nil
	}
	return out
}

// result is the reply's part that a subscribe command and a subscription made
// by the server have in common.
func (o subscribed) result(positioned, asked bool, e wire.Encoding) *protocol.SubscribeResult {
	res := &protocol.SubscribeResult{Recovered: o.recovered, WasRecovering: asked}
	if positioned {
		res.Recoverable, res.Positioned = true, true
		res.Epoch, res.Offset = o.top.Epoch, o.top.Offset
	}
	for _, p := range o.missed {
		if pub, ok := p.push(e); ok {
			res.Publications = append(res.Publications, pub)
		}
	}
	return res
}

// unsubscribe ends a membership; it reports whether there was one.
func (s *session) unsubscribe(name string) bool {
	s.mu.Lock()
	i := s.find(name)
	if i < 0 {
		s.mu.Unlock()
		return false
	}
	one := s.subs[i]
	s.subs = slices.Delete(s.subs, i, i+1)
	s.mu.Unlock()
	s.leave(one)
	return true
}

// leave gives back the seat of a subscription that is no longer the session's.
// Others learn of it where the room's options say so.
func (s *session) leave(one sub) {
	if one.joining {
		return // whoever makes it will find it gone
	}
	s.hub.leave(Member{one.room, s.conn, one.kind, one.seat})
	if one.notices {
		s.hub.notify(one.room.name, Notice{Left: true, Who: s.authorAs(&one)})
	}
}
