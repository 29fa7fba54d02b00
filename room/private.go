package room

import (
	"encoding/json"

	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Roster is what TableMember says of a user in a room, as JSON.
type Roster struct {
	Role  string `json:"role,omitempty"` // "owner": may do there what an admin may; "": no more than others
	Since int64  `json:"since"`          // unix milliseconds
	Name  string `json:"name,omitempty"` // that the user's token had at that time
}

// OwnerRole is the role of who made a room.
const OwnerRole = "owner"

// Roles are what the entry adds to a user's roles in the room.
func (r Roster) Roles() Roles {
	if r.Role == OwnerRole {
		return RoleModerator | RoleAdmin
	}
	return 0
}

// RosterOf reads a user's entry in the roster of a room; ok: there is one.
func RosterOf(e engine.State, room, user string, done func(r Roster, ok bool, err error)) {
	e.Get(engine.Key{Table: engine.TableMember, Of: room, Name: user}, func(entry engine.Entry, err error) {
		var r Roster
		if err == nil && entry.Version != 0 {
			err = json.Unmarshal(entry.Value, &r)
		}
		done(r, entry.Version != 0, err)
	})
}

// onRoster tells what a session's user may besides in a $ room, or why it may not
// join. It calls done perhaps later.
func (s *session) onRoster(room string, done func(Roles, error)) {
	who := s.who.Load()
	RosterOf(s.hub.engine, room, who.User, func(r Roster, ok bool, err error) {
		switch {
		case err != nil:
			done(0, wire.Internal(err))
		default:
			m := policy.Membership{Listed: policy.NotListed, Roles: r.Roles()}
			if ok {
				m.Listed = policy.IsListed
			}
			v := s.hub.decide(s.subject(), ActJoin, room, s.hub.cfg.options(room), m, false)
			if v.Outcome != policy.Allow {
				done(0, s.hub.refusal(v))
				return
			}
			done(r.Roles(), nil)
		}
	})
}

// lookAtRoster looks again when the session has its seat: who was taken from the
// roster while it was joining must not stay, and who was raised is it at once.
func (s *session) lookAtRoster(room string) {
	s.hub.soon(func() {
		s.onRoster(room, func(roles Roles, err error) {
			if err != nil {
				s.expelled(room)
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
