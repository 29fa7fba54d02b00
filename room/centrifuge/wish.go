package centrifuge

import (
	"webim/room"
	"webim/room/wire"
)

// A wish is a subscribe command of which somebody has to decide who may take his
// time: the backend, a roster, who publishes the keys of tokens. The client may
// take it back meanwhile, by unsubscribing, and make it again: so an answer is
// for the wish that it was asked for, and for no other of the same room.
type wish struct {
	room string
	next *wish
}

// wish notes one. The error is an ErrorCode: what stands against the subscription
// already, or that there is such a wish.
func (s *session) wish(room string) (*wish, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayEnterLocked(room); err != nil {
		return nil, err
	}
	count := len(s.subs)
	for w := s.wishes; w != nil; w = w.next {
		if count++; w.room == room {
			return nil, wire.ErrAlreadySubscribed
		}
	}
	if count >= s.cfg().MaxRoomsPerConn {
		return nil, wire.ErrLimitExceeded
	}
	s.wishes = &wish{room, s.wishes}
	return s.wishes, nil
}

// stands ends a wish of which was decided. The error is what was decided, ErrNoAnswer
// if that is for others, or, if the wish was withdrawn, ErrInternal: temporary, as
// for any subscription that was given up while it was made.
func (s *session) stands(w *wish, decided error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.endLocked(func(other *wish) bool { return other == w }) && (decided == nil || decided == room.ErrNoAnswer) {
		return wire.ErrInternal
	}
	return decided
}

// withdrawLocked ends a room's wish, if there is one.
func (s *session) withdrawLocked(room string) {
	s.endLocked(func(w *wish) bool { return w.room == room })
}

func (s *session) endLocked(is func(*wish) bool) bool {
	for at := &s.wishes; *at != nil; at = &(*at).next {
		if is(*at) {
			*at = (*at).next
			return true
		}
	}
	return false
}
