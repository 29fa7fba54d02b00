package chat

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

type membersRequest struct {
	inRoom
	After *string `json:"after"` // "" means after the users without a name
	Limit *int    `json:"limit"`
}

type membersResult struct {
	Members []*member `json:"members"`
	More    bool      `json:"more"`           // there are more after the last one
	Here    *int      `json:"here,omitempty"` // how many users are present, where all without a name count as one; nil means unknown
}

type member struct {
	User   string         `json:"user"`
	Info   jsontext.Value `json:"info,omitempty"`   // from a token of the user
	Online *bool          `json:"online,omitempty"` // nil means unknown
	Role   string         `json:"role,omitempty"`
}

// maxMembers is the default and the maximum of a page of members.
const maxMembers = 1000

// members returns the users of a room in the order of their names: those on the roster and, in a
// public room, also those that are present without being on it. All users without a name come
// first, as one.
func (c *Chat) members(ctx context.Context, call *rpc.Call, q *membersRequest) (res membersResult, err error) {
	if err := may(call, policy.ActPresence, q.Room); err != nil {
		return res, err
	}
	limit, err := pageLimit(q.Limit, maxMembers, maxMembers)
	if err != nil {
		return res, err
	}
	here, err := call.Presence(q.Room)
	if err != nil && err != wire.ErrNotAvailable { // too many members, or presence is off: return the roster alone
		return res, err
	}
	known, after := err == nil, ""
	res.Here = users(here, known)
	if q.After != nil {
		after = *q.After
		here = slices.DeleteFunc(here, func(a engine.Author) bool { return a.User <= after })
	}
	listed, err := serverStore(call.Hub).List(ctx, engine.TableMember, q.Room, after, limit+1)
	if err != nil {
		return res, err
	}
	call.HasRead(len(listed))
	all := merge(listed, here, known)
	res.Members, res.More = all[:min(limit, len(all))], len(all) > limit
	return res, nil
}

// users counts the users that are present, or returns nil if the presence is unknown.
func users(here []engine.Author, known bool) *int {
	if !known {
		return nil
	}
	by := map[string]bool{}
	for _, a := range here {
		by[a.User] = true
	}
	n := len(by)
	return &n
}

// merge merges the users of a roster with those that are present, sorted by name. If known is
// true, all others are offline.
func merge(listed []engine.Entry, here []engine.Author, known bool) []*member {
	by := map[string]*member{}
	add := func(user string) *member {
		if by[user] == nil {
			by[user] = &member{User: user}
			if known {
				by[user].Online = new(bool)
			}
		}
		return by[user]
	}
	for _, e := range listed {
		var r policy.Roster
		_ = json.Unmarshal(e.Value, &r) // if it fails, there is no role
		m := add(e.Name)
		m.Role, m.Info = r.Role, infoOf(r.Name)
	}
	for _, a := range here {
		m := add(a.User)
		*m.Online = true
		if info := messages.Valid(a.ConnInfo); info != nil {
			m.Info = info
		}
	}
	return slices.SortedFunc(maps.Values(by), func(a, b *member) int { return strings.Compare(a.User, b.User) })
}
