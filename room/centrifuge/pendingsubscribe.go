package centrifuge

import (
	"webim/room"
	"webim/room/wire"
)

// A pendingSubscribe is a subscribe command that waits for a decision: of the backend, by a
// roster, or by the keys of tokens, which may have to be fetched. Meanwhile the client may
// unsubscribe and subscribe again. So an answer counts for the command that it belongs to,
// and for no other one of the same room.
type pendingSubscribe struct {
	room string
	next *pendingSubscribe
}

// beginSubscribe adds a pending subscribe. The error is an ErrorCode: the subscription is
// impossible already, or another one to the same room is pending.
func (s *session) beginSubscribe(room string) (*pendingSubscribe, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.canReserveLocked(room); err != nil {
		return nil, err
	}
	count := len(s.subs)
	for w := s.pendingSubs; w != nil; w = w.next {
		if count++; w.room == room {
			return nil, wire.ErrAlreadySubscribed
		}
	}
	if count >= s.cfg().MaxRoomsPerConn {
		return nil, wire.ErrLimitExceeded
	}
	s.pendingSubs = &pendingSubscribe{room, s.pendingSubs}
	return s.pendingSubs, nil
}

// resolve ends a pending subscribe when its decision is there, and returns that decision.
// If the client has unsubscribed meanwhile, a permission becomes ErrInternal: temporary, as
// for any subscription that was given up while it was made.
func (s *session) resolve(w *pendingSubscribe, decided error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.endLocked(func(other *pendingSubscribe) bool { return other == w }) && (decided == nil || decided == room.ErrNoAnswer) {
		return wire.ErrInternal
	}
	return decided
}

// withdrawLocked ends the pending subscribe of a room, if there is one.
func (s *session) withdrawLocked(room string) {
	s.endLocked(func(w *pendingSubscribe) bool { return w.room == room })
}

func (s *session) endLocked(is func(*pendingSubscribe) bool) bool {
	for at := &s.pendingSubs; *at != nil; at = &(*at).next {
		if is(*at) {
			*at = (*at).next
			return true
		}
	}
	return false
}
