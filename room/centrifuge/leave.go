package centrifuge

import (
	"slices"

	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

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
		one.room.Abandon(one.pending)
		return
	}
	s.d.hub.Leave(s.member(&one))
}

// leaveAll ends all memberships.
func (s *session) leaveAll() {
	s.mu.Lock()
	s.pendingSubs = nil
	subs := make([]sub, 0, len(s.subs))
	for i := len(s.subs) - 1; i >= 0; i-- {
		subs = append(subs, s.takeLocked(i))
	}
	s.subs = nil
	s.mu.Unlock()
	for _, one := range subs {
		s.releaseSlot(one)
	}
}

// close ends the session after its connection, with its memberships and its pending subscribes.
func (s *session) close() {
	s.d.hub.Control().Unregister(s)
	s.d.early.ended(s)
	s.questions.Load().askNext()
	s.mu.Lock()
	s.closed = true
	s.d.hub.Meter().UncountConnection(&s.Usage)
	s.mu.Unlock()
	s.leaveAll()
}

// Leave implements Session. If room is "", it ends all memberships.
func (s *session) Leave(room string) {
	rooms := []string{room}
	if room == "" {
		s.mu.Lock()
		rooms = rooms[:0]
		s.pendingSubs = nil
		for _, one := range s.subs {
			rooms = append(rooms, one.room.Name())
		}
		s.mu.Unlock()
	}
	for _, name := range rooms {
		if s.unsubscribe(name) {
			s.tellRemoved(wire.UnsubscribeServer, name)
		}
	}
}

// leaveBanned ends the memberships of the session in rooms where it is banned.
func (s *session) leaveBanned() {
	for _, name := range s.Rooms() {
		if s.d.hub.Judge().IsBanned(s.d.hub.Judge().SubjectOf(s), name) {
			s.Leave(name)
		}
	}
}

// Rejudge implements Session: it ends the memberships that the rights no longer allow, and those in rooms that have become binary, if the
// client speaks JSON, and tells the client.
func (s *session) Rejudge() {
	type membership struct {
		room string
		m    policy.Membership
	}
	var all []membership
	s.mu.Lock()
	for i := range s.subs {
		one := &s.subs[i]
		all = append(all, membership{one.room.Name(), membershipAt(one.room.Name(), one.server, one.token)})
	}
	s.mu.Unlock()
	for _, one := range all {
		if (!s.mayStay(one.room, one.m) || wire.Admit(s.enc, s.d.hub.Options(one.room).Binary) != nil) && s.unsubscribe(one.room) {
			s.tellRemoved(wire.UnsubscribeNoRight, one.room)
		}
	}
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

// TellLost implements Session.
func (s *session) TellLost(room string) { s.tellRemoved(wire.UnsubscribeInsufficientState, room) }

// tellRemoved tells the client that the server has ended a membership, and notes that for the flight recorder.
func (s *session) tellRemoved(code wire.UnsubscribeCode, room string) {
	s.conn.NoteRefusal(uint16(code))
	s.tell(code.Push(room))
}
