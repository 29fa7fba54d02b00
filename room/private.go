package room

import (
	"encoding/json"

	"webim/room/engine"
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
