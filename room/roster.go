package room

import (
	"webim/room/policy"
	"webim/room/wire"
)

// onRoster tells what a session's user may besides in a $ room, or why it may not
// join. It calls done perhaps later.
func (s *session) onRoster(room string, done func(Roles, error)) {
	who := s.Identity()
	RosterOf(s.hub.Engine(), room, who.User, func(r Roster, ok bool, err error) {
		switch {
		case err != nil:
			done(0, wire.Internal(err))
		default:
			m := policy.Membership{Listed: policy.NotListed, Roles: r.Roles()}
			if ok {
				m.Listed = policy.IsListed
			}
			v := s.hub.JudgeJoin(s, room, s.hub.Options(room), m)
			if v.Outcome != policy.Allow {
				done(0, s.hub.Refusal(v))
				return
			}
			done(r.Roles(), nil)
		}
	})
}

// lookAtRoster looks again when the session has its seat: who was taken from the
// roster while it was joining must not stay, and who was raised is it at once.
func (s *session) lookAtRoster(room string) {
	s.hub.Post(func() {
		s.onRoster(room, func(roles Roles, err error) {
			if err != nil {
				s.Leave(room)
				return
			}
			s.raise(room, roles)
		})
	})
}

// raise notes what the roster of a room says of the session's user.
func (s *session) raise(room string, roles Roles) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(room)
	if i < 0 {
		return
	}
	t := subToken{}
	if old := s.subs[i].token; old != nil {
		t = *old
	}
	if t.roles != roles {
		t.roles = roles
		s.subs[i].token = &t
	}
}
