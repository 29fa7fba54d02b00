package centrifuge

import (
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// onRoster looks up the session's user in the roster of a $ room. It calls done, now or later, with the
// roles of the roster or with the reason why the user may not join.
func (s *session) onRoster(name string, done func(policy.Roles, error)) {
	who := s.Identity()
	s.d.hub.Engine().Get(engine.Key{Table: engine.TableMember, Of: name, Name: who.User}, func(e engine.Entry, err error) {
		var r policy.Roster
		listed := false
		if err == nil {
			r, listed, err = policy.RosterOf(e)
		}
		switch {
		case err != nil:
			done(0, wire.Internal(err))
		default:
			m := policy.Membership{Listed: policy.NotListed, Roles: r.Roles()}
			if listed {
				m.Listed = policy.IsListed
			}
			v := s.judgeJoin(name, m)
			if v.Outcome != policy.Allow {
				done(0, s.d.hub.Judge().Refusal(v))
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
		s.onRoster(name, func(roles policy.Roles, err error) {
			if err != nil {
				s.Leave(name)
				return
			}
			s.setRoles(name, roles)
		})
	})
}

// setRoles stores the roles that the roster of a room adds.
func (s *session) setRoles(name string, roles policy.Roles) {
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
