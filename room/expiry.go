package room

import (
	"container/heap"
	"errors"
	"sync"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room/token"
	"webim/room/wire"
)

// deadlines are what sessions must have done by some time: connect, bring a new
// token. They are looked at each second; an entry that has become untrue does
// nothing, so none is ever taken out early. The zero value is ready.
type deadlines struct {
	mu   sync.Mutex
	heap dueHeap
}

type due struct {
	at time.Time
	do func()
}

type dueHeap []due

// Len implements heap.Interface, as the others.
func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = due{}
	if *h = (*h)[:last]; last == 0 {
		*h = nil // a crowd that came at once is over
	}
	return x
}

func (d *deadlines) add(at time.Time, do func()) {
	d.mu.Lock()
	heap.Push(&d.heap, due{at, do})
	d.mu.Unlock()
}

// look does what is due.
func (d *deadlines) look() {
	now := time.Now()
	for {
		d.mu.Lock()
		if len(d.heap) == 0 || d.heap[0].at.After(now) {
			d.mu.Unlock()
			return
		}
		first := heap.Pop(&d.heap).(due)
		d.mu.Unlock()
		first.do()
	}
}

// mustConnect closes a session that has not connected in time. Whose connect
// command is being answered has said it; what that waits for has a time of its
// own, and if nothing comes of it the client has to connect again.
func (s *session) mustConnect() {
	switch {
	case s.connected.Load():
	case s.connecting.Load() && s.conn.Exists():
		s.hub.due.add(time.Now().Add(s.hub.cfg.ConnectTimeout), s.mustConnect)
	default:
		if s.conn.Exists() {
			s.noteRefusal(nil, wire.DisconnectStale)
		}
		s.disconnect(wire.DisconnectStale)
	}
}

// ttl is an expiry as the protocol has it.
func ttl(at time.Time) (expires bool, seconds uint32) {
	if at.IsZero() {
		return false, 0
	}
	return true, uint32(max(1, time.Until(at)/time.Second))
}

// lookAgain is how far ahead an expiry is put on the list at most. A token may be
// good for a year, and its connection for a second: what a client that comes
// and goes leaves on the list is gone after this time.
const lookAgain = 10 * time.Second

// lookBy sees that the session is looked at, at or before the time given; zero is
// never. It takes no lock of the session's.
func (s *session) lookBy(at time.Time) {
	if at.IsZero() {
		return
	}
	at = soonest(at)
	n := at.UnixNano()
	for {
		old := s.nextLook.Load()
		if old != 0 && old <= n {
			return
		}
		if s.nextLook.CompareAndSwap(old, n) {
			break
		}
	}
	s.hub.due.add(at, func() {
		if s.nextLook.CompareAndSwap(n, 0) { // else an earlier look has taken its place
			s.look()
		}
	})
}

func soonest(at time.Time) time.Time {
	if next := time.Now().Add(lookAgain); at.After(next) {
		return next
	}
	return at
}

// refreshedByServer reports whether the backend, and not the client, sees that the
// connection stays good: HookConnect let it in, without a token. Such a client has
// nothing to refresh, so it is not told when the connection expires: SDKs would ask
// the application for a token, get none, and end for good.
func (s *session) refreshedByServer() bool { return s.asking != nil && s.asking.admitted.Load() }

// dueAt is when something is to be done about an expiry; zero is never. A client gets
// the grace to bring a new token; what the backend has to say it is asked at once.
func (h *Hub) dueAt(expires time.Time, byServer bool) time.Time {
	if expires.IsZero() || byServer {
		return expires
	}
	return expires.Add(h.cfg.ExpiredGrace)
}

// dueAt is Hub.dueAt of a subscription.
func (t *subToken) dueAt(h *Hub) time.Time {
	if t == nil || t.expires == 0 {
		return time.Time{}
	}
	return h.dueAt(time.Unix(t.expires, 0), t.byServer)
}

// ttlOf is ttl as a reply or a push tells it to the client: a client whose expiry the
// backend extends is never told of it, at connecting as later.
func ttlOf(expires time.Time, byServer bool) (bool, uint32) {
	if byServer {
		return false, 0
	}
	return ttl(expires)
}

// expireBy sees that the session is looked at when its connection expires.
func (s *session) expireBy(at time.Time) { s.lookBy(s.hub.dueAt(at, s.refreshedByServer())) }

// look ends what has run out: the connection, or subscriptions, of which the
// client is told with 2501, so that it subscribes anew.
func (s *session) look() {
	now := time.Now()
	next := s.hub.dueAt(s.who.Load().Expires, s.refreshedByServer())
	if !next.IsZero() && !now.Before(next) {
		if !s.refreshBy() {
			s.noteRefusal(nil, wire.DisconnectExpired)
			s.disconnect(wire.DisconnectExpired)
			return
		}
		next = time.Time{} // the answer says
	}
	var over []string
	s.mu.Lock()
	if s.closed {
		next = time.Time{} // it has no subs either
	}
	for _, one := range s.subs {
		at := one.token.dueAt(s.hub)
		if at.IsZero() {
			continue
		}
		if !now.Before(at) {
			over = append(over, one.room.name)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	s.mu.Unlock()
	for _, room := range over {
		if s.unsubscribe(room) {
			s.tell(wire.UnsubscribeExpired.Push(room))
		}
	}
	s.lookBy(next)
}

// onRefresh takes a new token for the connection, of the same user.
func (s *session) onRefresh(id uint32, r *protocol.RefreshRequest) error {
	h := s.hub
	if !h.takesTokens() {
		return wire.ErrNotAvailable
	}
	h.verify(r.Token, func(who *token.Identity, err error) {
		switch err = h.judge(who, err); {
		case errors.Is(err, wire.ErrTokenExpired):
			err = wire.DisconnectExpired
		case err == nil && who.User != s.who.Load().User:
			h.noteToken("connection", errOthers)
			err = wire.DisconnectInvalidToken
		}
		if err != nil {
			s.fail(id, err)
			return
		}
		s.who.Store(who)
		if h.revoked(who) { // since it was judged; whoever revoked it saw the old one
			s.fail(id, wire.DisconnectInvalidToken)
			return
		}
		if s.mayBe("") != nil { // bans bind whom the new token does not call an admin
			s.fail(id, wire.DisconnectBanned)
			return
		}
		if s.asking != nil {
			s.asking.admitted.Store(false) // from now on the client does
		}
		h.soon(s.expelBanned)
		s.expireBy(who.Expires)
		res := &protocol.RefreshResult{Client: s.client(), Version: h.cfg.Version}
		res.Expires, res.Ttl = ttl(who.Expires)
		s.answer(id, nil, &protocol.Reply{Refresh: res})
	})
	return nil
}

// subscription judges the token of a subscription; invalid is what to say of
// one that is not good. Another's token ends the connection.
func (s *session) subscription(text, room string, invalid error, done func(*token.Subscription, error)) {
	h := s.hub
	if h.cfg.Tokens == nil {
		h.noteToken("subscription", token.ErrInvalid)
		done(nil, invalid)
		return
	}
	h.cfg.Tokens.Subscription(text, func(t *token.Subscription, err error) {
		if err != nil {
			h.noteToken("subscription", err)
		}
		switch {
		case errors.Is(err, token.ErrExpired):
			err = wire.ErrTokenExpired
		case errors.Is(err, token.ErrUnavailable):
			err = wire.ErrInternal
		case err != nil:
			err = invalid
		case t.User != s.who.Load().User || t.Client != "" && t.Client != s.client() || t.Channel != room:
			h.noteToken("subscription", errOthers)
			err = wire.DisconnectInvalidToken
		case h.ticketRevoked(t.User, t.ID, t.IssuedAt):
			h.noteToken("subscription", errRevoked)
			err = invalid
		}
		done(t, err)
	})
}

// ticketRevoked reports whether the token of a subscription was revoked. It is asked
// when the token is judged, and again when the subscription is noted: a revocation
// between the two would find neither.
func (h *Hub) ticketRevoked(user, id string, issued time.Time) bool {
	return h.cfg.Revoked != nil && (id != "" || !issued.IsZero()) && h.cfg.Revoked.Check(user, id, issued)
}

// onSubRefresh takes a new token for a subscription.
func (s *session) onSubRefresh(id uint32, r *protocol.SubRefreshRequest) error {
	if s.hub.cfg.Tokens == nil {
		return wire.ErrNotAvailable
	}
	s.subscription(r.Token, r.Channel, wire.DisconnectInvalidToken, func(t *token.Subscription, err error) {
		if err == nil && !s.renew(r.Channel, t) {
			err = wire.ErrPermissionDenied // it is not in that room
		}
		if err != nil {
			s.fail(id, err)
			return
		}
		res := &protocol.SubRefreshResult{}
		res.Expires, res.Ttl = ttl(t.Expires)
		s.answer(id, nil, &protocol.Reply{SubRefresh: res})
	})
	return nil
}

// renew notes a subscription's new token.
func (s *session) renew(room string, t *token.Subscription) bool {
	s.mu.Lock()
	i := s.find(room)
	if i < 0 {
		s.mu.Unlock()
		return false
	}
	w := &wanted{info: t.Info, expires: t.Expires, grants: t.Grants, id: t.ID, issued: t.IssuedAt}
	if old := s.subs[i].token; old != nil {
		w.roles = old.roles
	}
	s.subs[i].token = newSubToken(w)
	s.mu.Unlock()
	if s.hub.ticketRevoked(t.User, t.ID, t.IssuedAt) { // since it was judged
		s.expelled(room)
	}
	s.lookBy(s.hub.dueAt(t.Expires, false))
	return true
}
