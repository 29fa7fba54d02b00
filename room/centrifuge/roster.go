package centrifuge

import (
	"webim/room"
	"webim/room/policy"
	"webim/room/wire"
)

// onRoster looks up the session's user in the roster of a $ room. It calls done, now or later, with the
// roles of the roster or with the reason why the user may not join.
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
			v := s.judgeJoin(name, m)
			if v.Outcome != policy.Allow {
				done(0, s.d.hub.Refusal(v))
				return
			}
			done(r.Roles(), nil)
		}
	})
}

// checkRoster reads the roster again after the session has joined. It removes a user that has left
// the roster meanwhile, and applies new roles at once.
func (s *session) checkRoster(name string) {
	s.d.hub.Post(func() {
		s.onRoster(name, func(roles room.Roles, err error) {
			if err != nil {
				s.Leave(name)
				return
			}
			s.setRoles(name, roles)
		})
	})
}

// setRoles stores the roles that the roster of a room adds.
func (s *session) setRoles(name string, roles room.Roles) {
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
