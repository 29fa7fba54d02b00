package centrifuge

import (
	"webim/room/backend"
	"webim/room/wire"
)

// beginSubscribe adds a pending subscribe. It fails with an ErrorCode if the session may not have another
// room, is in this room, or has another pending subscribe to it.
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

// resolve ends a pending subscribe and returns its decision. If the client has unsubscribed meanwhile, a
// permission becomes ErrInternal, which is temporary, as for any subscription that the client has
// withdrawn before it was complete.
func (s *session) resolve(w *pendingSubscribe, decided error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.endLocked(func(other *pendingSubscribe) bool { return other == w }) && (decided == nil || decided == backend.ErrNoAnswer) {
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
