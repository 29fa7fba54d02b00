package chat

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/engine"
)

// maxName limits the bytes of a name that the State keeps to show while its user is away.
const maxName = 200

// nameInfo is the part of a token's info that has the user's name.
type nameInfo struct {
	Name string `json:"name"`
}

// peer is the other user of a direct room, as shown to the caller.
type peer struct {
	User   string         `json:"user"`
	Info   jsontext.Value `json:"info,omitempty"`   // from the user's token
	Online *bool          `json:"online,omitempty"` // nil means unknown
}

// whoIs finds the info of a user's token by one of the user's connections. It reads the presence of
// the user's personal room, whose cost is bounded by the number of that user's connections.
func whoIs(presence func(string, func([]engine.Author, error)), user string, done func(peer)) {
	p := peer{User: user}
	presence(room.PersonalRoom(user), func(here []engine.Author, err error) {
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

// shares looks up whether a user takes part in a direct room with the other one: it is on the
// room's roster, and declines neither the room nor the other user. If it does not take part, the
// other user may learn nothing about it except the id, which anybody can write: see room.ActMeet.
func shares(e engine.State, name, user, other string, done func(is bool, err error)) {
	room.RosterOf(e, name, user, func(_ room.Roster, there bool, err error) {
		if err != nil || !there {
			done(false, err)
			return
		}
		declines(e, user, name, other, func(declined bool, err error) { done(!declined, err) })
	})
}

// nameIn returns the name in a token's info, or "" if there is none or it is longer than maxName.
func nameIn(info jsontext.Value) string {
	var n nameInfo
	if len(info) == 0 || json.Unmarshal(info, &n) != nil || len(n.Name) > maxName {
		return ""
	}
	return n.Name
}

// infoOf returns an info that has only the given name, or nil for "".
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

// otherIn returns the other user of a direct room, or "" for other rooms.
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
