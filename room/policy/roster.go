package policy

import (
	"encoding/json"

	"webim/room/engine"
)

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

// RosterOf decodes an entry of engine.TableMember. listed is false if there is no such entry.
func RosterOf(e engine.Entry) (r Roster, listed bool, err error) {
	if e.Version == 0 {
		return Roster{}, false, nil
	}
	err = json.Unmarshal(e.Value, &r)
	return r, true, err
}
