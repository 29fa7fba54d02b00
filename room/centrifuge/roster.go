package centrifuge

import (
	"webim/room"
	"webim/room/policy"
	"webim/room/wire"
)

// onRoster tells what a session's user may besides in a $ room, or why it may not
// join. It calls done perhaps later.
func (s *session) onRoster(name string, done func(room.Roles, error)) {
	who := s.Identity()
	room.RosterOf(s.d.hub.Engine(), name, who.User, func(r room.Roster, ok bool, err error) {
		switch {
		case err != nil:
			done(0, wire.Internal(err))
		default:
			m := policy.Membership{Listed: policy.NotListed, Roles: r.Roles()}
			if ok {
				m.Listed = policy.IsListed
			}
			v := s.d.hub.JudgeJoin(s, name, s.d.hub.Options(name), m)
			if v.Outcome != policy.Allow {
				done(0, s.d.hub.Refusal(v))
				return
			}
			done(r.Roles(), nil)
		}
	})
}

// lookAtRoster looks again when the session has its seat: who was taken from the
// roster while it was joining must not stay, and who was raised is it at once.
func (s *session) lookAtRoster(name string) {
	s.d.hub.Post(func() {
		s.onRoster(name, func(roles room.Roles, err error) {
			if err != nil {
				s.Leave(name)
				return
			}
			s.raise(name, roles)
		})
	})
}

// raise notes what the roster of a room says of the session's user.
func (s *session) raise(name string, roles room.Roles) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(name)
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
