package chat

import (
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/await"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/policy"
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

// lookUp finds the info of a user's token by one of the user's connections. It reads the presence of
// the user's personal room. The number of that user's connections limits the cost.
func lookUp(ctx context.Context, h *room.Hub, user string) peer {
	here, err := presence(ctx, h, policy.PersonalRoom(user))
	return peerOf(user, here, err)
}

func presence(ctx context.Context, h *room.Hub, name string) ([]engine.Author, error) {
	return await.Value(ctx, func(done func([]engine.Author, error)) { h.Presence(name, done) })
}

// peerOf makes a peer of a user's connections; err says that they are unknown.
func peerOf(user string, here []engine.Author, err error) peer {
	p := peer{User: user}
	if err == nil {
		online := len(here) > 0
		p.Online = &online
	}
	for _, a := range here {
		if p.Info = messages.Valid(a.ConnInfo); p.Info != nil {
			break
		}
	}
	return p
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
