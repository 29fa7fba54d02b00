package chat

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
)

// maxName is the most bytes of a name that the State keeps for a user who is away.
const maxName = 200

// nameInfo is the part of a token's info that names its user.
type nameInfo struct {
	Name string `json:"name"`
}

// peer is a user as another one sees the user.
type peer struct {
	User   string         `json:"user"`
	Info   jsontext.Value `json:"info,omitempty"`   // what a token says of the user
	Online *bool          `json:"online,omitempty"` // nil: it is not known
}

// whoIs tells what the token of a user says, by a connection of the user. It reads the
// presence of the user's own room, which costs no more than that user's connections.
func whoIs(presence func(string, func([]room.Author, error)), user string, done func(peer)) {
	p := peer{User: user}
	presence(room.PersonalRoom(user), func(here []room.Author, err error) {
		if err == nil {
			online := len(here) > 0
			p.Online = &online
		}
		for _, a := range here {
			if p.Info = valid(a.ConnInfo); p.Info != nil {
				break
			}
		}
		done(p)
	})
}

// shares tells whether a user shares a direct room with the other one: has it in its
// list, and declines neither the room nor the other. A user who does not is nobody of whom
// the other may know more than the id, which anybody can name: see room.ActMeet.
func shares(e room.State, name, user, other string, done func(is bool, err error)) {
	room.RosterOf(e, name, user, func(_ room.Roster, there bool, err error) {
		if err != nil || !there {
			done(false, err)
			return
		}
		declines(e, user, name, other, func(declined bool, err error) { done(!declined, err) })
	})
}

// nameIn is the name that a token's info has, as far as the State keeps it.
func nameIn(info jsontext.Value) string {
	var n nameInfo
	if len(info) == 0 || json.Unmarshal(info, &n) != nil || len(n.Name) > maxName {
		return ""
	}
	return n.Name
}

// infoOf is a token's info with nothing but a name, as it was kept; nil for "".
func infoOf(name string) jsontext.Value {
	if name == "" {
		return nil
	}
	info, err := json.Marshal(nameInfo{name})
	if err != nil {
		return nil
	}
	return info
}

// otherIn is the other user of a direct room; "" in other rooms.
func otherIn(name, user string) string {
	if !room.IsDirect(name) {
		return ""
	}
	for _, one := range room.UsersOf(name) {
		if one != user {
			return one
		}
	}
	return ""
}
