package centrifuge

import (
	"webim/room/policy"
	"webim/room/wire"
)

// Rejudge implements Session: it ends the memberships that the rights no longer allow, and tells the client.
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
		if !s.mayStay(one.room, one.m) && s.unsubscribe(one.room) {
			s.tell(wire.UnsubscribeNoRight.Push(one.room))
		}
	}
}

// mayStay reports whether the rights of a room allow a membership of the session.
func (s *session) mayStay(room string, m policy.Membership) bool {
	j := s.d.hub.Judge()
	return j.MayStay(j.SubjectOf(s), room, m)
}

// membershipAt returns a membership as it was when the session joined. t may be nil.
func membershipAt(room string, server bool, t *subToken) (m policy.Membership) {
	m.In = policy.IsPrivate(room) // a roster has decided; RoleMember gives no right to join
	m.Ticket = server
	if t != nil {
		m.Roles, m.Grants = t.roles, &t.grants
		m.Ticket = m.Ticket || t.ticket
	}
	return m
}
