package centrifuge

import (
	"errors"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room/backend"
	"webim/room/control"
	"webim/room/engine"
	"webim/room/internal/timers"
	"webim/room/token"
	"webim/room/wire"
)

// mustConnect closes a session that has not connected in time. If the reply to its connect command is
// still under way, the session gets the same time once more: the reply has its own deadline, and after
// an error the client must connect again.
func (s *session) mustConnect() {
	switch {
	case s.Connected():
	case s.awaited.Load() > 0 && s.conn.Exists(): // no other command comes before
		s.d.hub.At(time.Now().Add(s.cfg().ConnectTimeout), s.mustConnect)
	default:
		if s.conn.Exists() {
			s.logRefusal("", wire.DisconnectStale)
		}
		s.Disconnect(wire.DisconnectStale)
	}
}

// ttl returns an expiry in the form of the protocol.
func ttl(at time.Time) (expires bool, seconds uint32) {
	if at.IsZero() {
		return false, 0
	}
	return true, uint32(max(1, time.Until(at)/time.Second))
}

// checkBy makes the hub's timers call checkExpiry at the given time or earlier. The zero time means
// never. checkBy takes no lock of the session.
func (s *session) checkBy(at time.Time) {
	if at.IsZero() {
		return
	}
	at = timers.Soonest(at)
	n := at.UnixNano()
	for {
		old := s.nextCheck.Load()
		if old != 0 && old <= n {
			return
		}
		if s.nextCheck.CompareAndSwap(old, n) {
			break
		}
	}
	s.d.hub.At(at, func() {
		if s.nextCheck.CompareAndSwap(n, 0) { // otherwise an earlier check has replaced this one
			s.checkExpiry()
		}
	})
}

// refreshedByServer reports whether the backend, and not the client, extends the connection, because
// HookConnect has admitted the client without a token. webim does not tell such a client when the
// connection expires: an SDK would ask the application for a token, get none, and give up.
func (s *session) refreshedByServer() bool {
	q := s.questions.Load()
	return q != nil && q.admitted.Load()
}

// dueAt returns the time at which the session acts on an expiry; the zero time means never. A client
// gets Config.ExpiredGrace to send a new token. If the backend decides, the session asks it at once.
func (s *session) dueAt(expires time.Time, byServer bool) time.Time {
	if expires.IsZero() || byServer {
		return expires
	}
	return expires.Add(s.cfg().ExpiredGrace)
}

// dueAt returns session.dueAt for the expiry of a subscription.
func (t *subToken) dueAt(s *session) time.Time {
	if t == nil || t.expires == 0 {
		return time.Time{}
	}
	return s.dueAt(time.Unix(t.expires, 0), t.byServer)
}

// ttlOf is ttl for a reply or a push. If the backend extends the expiry, no reply and no push tells the
// client about it.
func ttlOf(expires time.Time, byServer bool) (bool, uint32) {
	if byServer {
		return false, 0
	}
	return ttl(expires)
}

// expireBy makes the hub's timers call checkExpiry when the connection expires.
func (s *session) expireBy(at time.Time) { s.checkBy(s.dueAt(at, s.refreshedByServer())) }

// checkExpiry closes the connection if it has expired, unless the backend is asked to extend it. It
// also ends expired subscriptions with the code 2501, after which a client subscribes again.
func (s *session) checkExpiry() {
	now := time.Now()
	next := s.dueAt(s.Identity().Expires, s.refreshedByServer())
	if !next.IsZero() && !now.Before(next) {
		if !s.refreshByBackend() {
			s.logRefusal("", wire.DisconnectExpired)
			s.Disconnect(wire.DisconnectExpired)
			return
		}
		next = time.Time{} // the answer decides
	}
	var over []string
	s.mu.Lock()
	if s.closed {
		next = time.Time{} // a closed session has no subscriptions either
	}
	for _, one := range s.subs {
		at := one.token.dueAt(s)
		if at.IsZero() {
			continue
		}
		if !now.Before(at) {
			over = append(over, one.room.Name())
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	s.mu.Unlock()
	for _, room := range over {
		if s.unsubscribe(room) {
			s.tellRemoved(wire.UnsubscribeExpired, room)
		}
	}
	s.checkBy(next)
}

// refreshByBackend asks the backend whether the connection may stay after its end of validity. It
// returns false if no backend decides that: then the caller closes the connection.
func (s *session) refreshByBackend() bool {
	if !s.refreshedByServer() || !s.d.hub.Asks(backend.HookRefresh, "") {
		return false
	}
	if !s.conn.Exists() || s.askedOf().refreshing.Swap(true) {
		return true
	}
	s.ask(backend.Request{Hook: backend.HookRefresh}, func(a backend.Reply, err error) {
		s.askedOf().refreshing.Store(false)
		var end wire.DisconnectCode
		switch {
		case errors.As(err, &end):
			s.end(err)
		case s.mayAskAgain(err):
			s.d.hub.At(time.Now().Add(time.Second), s.checkExpiry)
		case err != nil || a.Expired: // even with hook_open: only an answer can prolong the connection
			s.logRefusal("", wire.DisconnectExpired)
			s.Disconnect(wire.DisconnectExpired)
		default:
			s.applyRefresh(engine.ControlMessage{Kind: engine.ControlRefresh, Expires: a.Expires, Info: a.Info})
		}
	})
	return true
}

// mayAskAgain reports whether the session may ask the backend again after an error that says nothing
// about the client. It may for as long as a client would have to bring a new token
// (Config.ExpiredGrace).
func (s *session) mayAskAgain(err error) bool {
	silent := errors.Is(err, wire.ErrInternal) || errors.Is(err, wire.ErrTooManyRequests)
	end := s.dueAt(s.Identity().Expires, false) // zero: meanwhile the server API has refreshed it
	return silent && (end.IsZero() || time.Now().Before(end))
}

// applyRefresh changes the time at which the session ends, and the info that others see.
func (s *session) applyRefresh(o engine.ControlMessage) {
	if control.EndsConnections(&o) {
		s.Disconnect(wire.DisconnectExpired)
		return
	}
	s.Update(func(who *token.Identity) {
		who.Expires = o.Expires
		if o.Info != nil {
			who.Info = o.Info
		}
	})
	s.expireBy(o.Expires)
	push := &protocol.Refresh{}
	push.Expires, push.Ttl = ttlOf(o.Expires, s.refreshedByServer())
	s.tell(&protocol.Reply{Push: &protocol.Push{Refresh: push}})
}
