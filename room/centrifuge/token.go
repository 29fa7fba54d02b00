package centrifuge

import (
	"errors"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/token"
	"webim/room/wire"
)

// onRefresh replaces the token of the connection. The new token must be of the same user.
func (s *session) onRefresh(id uint32, r *protocol.RefreshRequest) error {
	h := s.d.hub
	if !h.Judge().TakesTokens() {
		return wire.ErrNotAvailable
	}
	h.Judge().VerifyToken(r.Token, func(who *token.Identity, err error) {
		switch err = h.Judge().CheckToken(who, err, identity.Logged(s.conn)); {
		case errors.Is(err, wire.ErrTokenExpired):
			err = wire.DisconnectExpired
		case err == nil && who.User != s.Identity().User:
			h.Judge().LogToken("connection", judge.ErrTokenOthers, identity.Logged(s.conn))
			err = wire.DisconnectInvalidToken
		}
		if err != nil {
			s.fail(id, "", err)
			return
		}
		s.Identify(who)
		if h.Judge().Revoked(who) { // it was revoked after its verification, while the session still had the old token
			s.fail(id, "", wire.DisconnectInvalidToken)
			return
		}
		if h.Judge().IsBanned(h.Judge().SubjectOf(s), "") { // the new token may not say that the user is an admin
			s.fail(id, "", wire.DisconnectBanned)
			return
		}
		if q := s.questions.Load(); q != nil {
			q.admitted.Store(false) // from now on the client extends the connection
		}
		h.Post(s.leaveBanned)
		s.expireBy(who.Expires)
		res := &protocol.RefreshResult{Client: s.ClientID(), Version: h.Config().Version}
		res.Expires, res.Ttl = ttl(who.Expires)
		s.answer(id, "", nil, &protocol.Reply{Refresh: res})
	})
	return nil
}

// subscription verifies the token of a subscription. If the token is not valid, done gets the error
// invalid. A token of another user, client or room closes the connection.
func (s *session) subscription(text, name string, invalid error, done func(*token.Subscription, error)) {
	h := s.d.hub
	h.Config().Tokens.Subscription(text, func(t *token.Subscription, err error) {
		if err != nil {
			h.Judge().LogToken("subscription", err, identity.Logged(s.conn), "room", room.Clipped(name))
		}
		switch {
		case errors.Is(err, token.ErrExpired):
			err = wire.ErrTokenExpired
		case errors.Is(err, token.ErrUnavailable):
			err = wire.ErrInternal
		case err != nil:
			err = invalid
		case t.User != s.Identity().User || t.Client != "" && t.Client != s.ClientID() || t.Channel != name:
			h.Judge().LogToken("subscription", judge.ErrTokenOthers, identity.Logged(s.conn), "room", room.Clipped(name))
			err = wire.DisconnectInvalidToken
		case s.ticketRevoked(t.ID, t.IssuedAt):
			h.Judge().LogToken("subscription", judge.ErrTokenRevoked, identity.Logged(s.conn), "room", room.Clipped(name))
			err = invalid
		}
		done(t, err)
	})
}

// ticketRevoked reports whether the token of a subscription was revoked. The session checks this when it
// verifies the token, and again when it has stored the subscription: a revocation between the two
// would find neither a bad token nor a subscription.
func (s *session) ticketRevoked(id string, issued time.Time) bool {
	revoked := s.cfg().Revoked
	return revoked != nil && (id != "" || !issued.IsZero()) && revoked.Check(s.Identity().User, id, issued)
}

// onSubRefresh replaces the token of a subscription.
func (s *session) onSubRefresh(id uint32, r *protocol.SubRefreshRequest) error {
	if !s.cfg().Tokens.HasKeys() {
		return wire.ErrNotAvailable
	}
	s.subscription(r.Token, r.Channel, wire.DisconnectInvalidToken, func(t *token.Subscription, err error) {
		if err == nil && !s.renew(r.Channel, t) {
			err = wire.ErrPermissionDenied // it is not in that room
		}
		if err != nil {
			s.fail(id, r.Channel, err)
			return
		}
		res := &protocol.SubRefreshResult{}
		res.Expires, res.Ttl = ttl(t.Expires)
		s.answer(id, "", nil, &protocol.Reply{SubRefresh: res})
	})
	return nil
}

// renew stores the new token of a subscription. It returns false if the session is not in the room.
func (s *session) renew(room string, t *token.Subscription) bool {
	s.mu.Lock()
	i := s.find(room)
	if i < 0 {
		s.mu.Unlock()
		return false
	}
	w := &subscription{ticket: true, info: t.Info, expires: t.Expires, grants: t.Grants, id: t.ID, issued: t.IssuedAt}
	if old := s.subs[i].token; old != nil {
		w.roles = old.roles
	}
	s.subs[i].token = newSubToken(w)
	s.mu.Unlock()
	if s.ticketRevoked(t.ID, t.IssuedAt) { // after its verification
		s.Leave(room)
	}
	s.checkBy(s.dueAt(t.Expires, false))
	return true
}
