package chat

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

type roomsRequest struct {
	After string `json:"after"`
	Limit *int   `json:"limit"`
}

type roomsResult struct {
	Rooms []*listed `json:"rooms"`
	More  bool      `json:"more"`
}

// listed is one room of a user's list.
type listed struct {
	Room   string   `json:"room"`
	Kind   string   `json:"kind"`
	Title  string   `json:"title"`
	Unread int      `json:"unread"` // messages of others after the mark, at most maxUnread
	Read   uint64   `json:"read"`
	Last   *Message `json:"last,omitempty"`
	Role   string   `json:"role,omitempty"`
	With   *peer    `json:"with,omitempty"` // the other user of a direct room
}

const (
	defaultRooms = 50
	maxRooms     = 100
	maxUnread    = 1000
)

// roomEntries is how many State entries a room of the list is charged for, and meetEntries how many
// more a direct room is.
const (
	roomEntries = 4
	meetEntries = 3
)

// tail is how many of a room's newest publications are read first.
const tail = 16

// rooms returns the caller's list. The caller is charged for each room as it is read, in the budget
// of history and messages, and other users choose how long the last messages are. So the page ends,
// with more, when the call has read, or the reply would carry, as much as a reply may.
func (c *Chat) rooms(call *room.Call, q *roomsRequest) {
	user, err := named(call)
	limit := defaultRooms
	if q.Limit != nil {
		limit = *q.Limit
	}
	if err == nil && (limit < 1 || limit > maxRooms) {
		err = wire.Explain(wire.ErrBadRequest, "bad request: limit must be 1 to 100")
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.Hub.Engine()
	e.List(engine.TableMine, user, q.After, limit+1, func(all []engine.Entry, err error) {
		if err != nil {
			call.Done(nil, wire.Internal(err))
			return
		}
		res, left := roomsResult{Rooms: []*listed{}, More: len(all) > limit}, call.MaxReply()
		each(all[:min(len(all), limit)], func(entry engine.Entry, done func(error)) {
			if len(res.Rooms) > 0 && (left <= 0 || call.Spent()) {
				res.More = true
				done(nil)
				return
			}
			call.HasRead(roomEntries)
			look(call, user, entry.Name, func(l *listed, err error) {
				if l == nil || err != nil {
					done(err)
					return
				}
				res.Rooms = append(res.Rooms, l)
				left -= l.size()
				l.meet(call, user, entry.Value, done)
			})
		}, func(err error) { answer(call, res, err) })
	})
}

// size returns the bytes of the entry that other users have chosen.
func (l *listed) size() int {
	if l.Last == nil {
		return len(l.Title)
	}
	return len(l.Title) + l.Last.size()
}

// look reads a room of a user's list. The result is nil if the user is banned there, or is not on
// the roster; then look also mends the list.
func look(call *room.Call, user, name string, done func(*listed, error)) {
	e := call.Hub.Engine()
	l := &listed{Room: name, Kind: kindOf(name)}
	belongs(e, name, user, func(r room.Roster, there bool, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		if there && call.Struck(name) {
			strike(e, name, user, func(err error) { done(nil, err) })
			return
		}
		if there && call.May(room.ActBe, name) != nil {
			done(nil, nil) // hidden until the ban ends
			return
		}
		if !there {
			e.Delete(engine.Key{Table: engine.TableMine, Of: user, Name: name}, engine.AnyVersion, func(err error) { done(nil, err) })
			return
		}
		l.Role = r.Role
		room.SettingsOf(e, name, func(s room.Settings, _ uint64, err error) {
			if err != nil {
				done(nil, err)
				return
			}
			l.Title = s.Title
			markOf(e, name, user, func(m markEntry, err error) {
				if err != nil {
					done(nil, err)
					return
				}
				l.count(call, user, r, m, func(err error) { done(l, err) })
			})
		})
	})
}

// meet adds the other user of a direct room. It takes the info from a connection of the other user
// if the caller may see that, else from the last message, else from the list entry.
func (l *listed) meet(call *room.Call, user string, entry []byte, done func(error)) {
	other := otherIn(l.Room, user)
	if other == "" {
		done(nil)
		return
	}
	tell := func(p peer) {
		if p.Info == nil && l.Last != nil && l.Last.Info != nil && l.Last.Info.User == other {
			p.Info = valid(l.Last.Info.ConnInfo)
		}
		if p.Info == nil {
			var m mine
			_ = json.Unmarshal(entry, &m) // if it fails, there is no name
			p.Info = infoOf(m.Name)
		}
		l.With = &p
		done(nil)
	}
	call.HasRead(meetEntries)
	shares(call.Hub.Engine(), l.Room, other, user, func(shares bool, err error) {
		switch {
		case err != nil:
			done(err)
		case call.MayMeet(l.Room, shares):
			whoIs(call.Presence, other, tell)
		default:
			tell(peer{User: other})
		}
	})
}

// count sets the last message, and the number of unread messages after the mark. It sets neither if
// the caller may not read the history.
func (l *listed) count(call *room.Call, user string, r room.Roster, read markEntry, done func(error)) {
	if l.Kind != kindPrivate && !call.Can(room.ActHistory, l.Room) || l.Kind == kindPrivate && call.MayAs(room.ActHistory, l.Room, r) != nil {
		done(nil)
		return
	}
	call.History(l.Room, room.HistoryQuery{Limit: tail, Reverse: true}, func(got engine.History, err error) {
		if err == wire.ErrNotAvailable {
			done(nil) // the room has no history
			return
		}
		l.Read = read.in(got.Top.Epoch).Read
		newest := slices.Clone(got.Publications)
		slices.Reverse(newest)
		l.sum(newest, user)
		if err != nil || len(newest) < tail || l.Last != nil && newest[0].Offset <= l.Read {
			done(err)
			return
		}
		call.History(l.Room, room.HistoryQuery{Limit: -1}, func(got engine.History, err error) {
			l.sum(got.Publications, user)
			done(err)
		})
	})
}

// sum sets the last message and the number of unread messages from the end of a history. Events
// about a message come after it, so the end has all events about the last message.
func (l *listed) sum(end []engine.Publication, user string) {
	l.Last, l.Unread = nil, 0
	for _, m := range Fold(end) {
		l.Last = m
		if m.Offset > l.Read && !m.Deleted && (m.Info == nil || m.Info.User != user) && l.Unread < maxUnread {
			l.Unread++
		}
	}
	if l.Last != nil {
		l.Last.repair()
	}
}

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
func (c *Chat) members(call *room.Call, q *membersRequest) {
	err := may(call, room.ActPresence, q.Room)
	limit := maxMembers
	if q.Limit != nil {
		limit = *q.Limit
	}
	if err == nil && (limit < 1 || limit > maxMembers) {
		err = wire.Explain(wire.ErrBadRequest, fmt.Sprintf("bad request: limit must be 1 to %d", maxMembers))
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	call.Presence(q.Room, func(here []engine.Author, err error) {
		if err != nil && err != wire.ErrNotAvailable { // too many members, or presence is off: return the roster alone
			call.Done(nil, err)
			return
		}
		known := err == nil
		here, count := here, users(here, known)
		after := ""
		if q.After != nil {
			after = *q.After
			here = slices.DeleteFunc(here, func(a engine.Author) bool { return a.User <= after })
		}
		call.Hub.Engine().List(engine.TableMember, q.Room, after, limit+1, func(listed []engine.Entry, err error) {
			if err != nil {
				call.Done(nil, wire.Internal(err))
				return
			}
			call.HasRead(len(listed))
			all := together(listed, here, known)
			answer(call, membersResult{all[:min(limit, len(all))], len(all) > limit, count}, nil)
		})
	})
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

// together merges the users of a roster with those that are present, sorted by name. If known is
// true, all others are offline.
func together(listed []engine.Entry, here []engine.Author, known bool) []*member {
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
		var r room.Roster
		_ = json.Unmarshal(e.Value, &r) // if it fails, there is no role
		m := add(e.Name)
		m.Role, m.Info = r.Role, infoOf(r.Name)
	}
	for _, a := range here {
		m := add(a.User)
		*m.Online = true
		if info := valid(a.ConnInfo); info != nil {
			m.Info = info
		}
	}
	return slices.SortedFunc(maps.Values(by), func(a, b *member) int { return strings.Compare(a.User, b.User) })
}
