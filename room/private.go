package room

import (
	"encoding/json"

	"webim/room/engine"
	"webim/room/policy"
)

// Settings are the settings of a room, the value of an entry of engine.TableRoom, as JSON.
type Settings = policy.Settings

// Roster is an entry of a room's roster: the value of an entry of engine.TableMember, as JSON.
type Roster struct {
	Role  string `json:"role,omitempty"` // OwnerRole: has the rights of an admin in the room; "": has no role
	Since int64  `json:"since"`          // unix milliseconds
	Name  string `json:"name,omitempty"` // the name in the user's token at that time
}

// OwnerRole is the role of the user that made a room.
const OwnerRole = "owner"

// Roles returns the roles that the entry adds to those of the user in the room.
func (r Roster) Roles() Roles {
	if r.Role == OwnerRole {
		return RoleModerator | RoleAdmin
	}
	return 0
}

// RosterOf reads a user's entry in the roster of a room. ok is false if there is none.
func RosterOf(e engine.State, room, user string, done func(r Roster, ok bool, err error)) {
	e.Get(engine.Key{Table: engine.TableMember, Of: room, Name: user}, func(entry engine.Entry, err error) {
		var r Roster
		if err == nil && entry.Version != 0 {
			err = json.Unmarshal(entry.Value, &r)
		}
		done(r, entry.Version != 0, err)
	})
}
