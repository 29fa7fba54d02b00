package chat

import (
	"context"
	"strconv"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
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
	Room   string            `json:"room"`
	Kind   string            `json:"kind"`
	Title  string            `json:"title"`
	Unread int               `json:"unread"` // messages of others after the mark, at most maxUnread
	Read   uint64            `json:"read"`
	Last   *messages.Message `json:"last,omitempty"`
	Role   string            `json:"role,omitempty"`
	With   *peer             `json:"with,omitempty"` // the other user of a direct room
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
func (c *Chat) rooms(ctx context.Context, call *rpc.Call, q *roomsRequest) (res roomsResult, err error) {
	user, err := named(call)
	if err != nil {
		return res, err
	}
	limit, err := pageLimit(q.Limit, defaultRooms, maxRooms)
	if err != nil {
		return res, err
	}
	all, err := serverStore(call.Hub).List(ctx, engine.TableMine, user, q.After, limit+1)
	if err != nil {
		return res, err
	}
	res, left := roomsResult{Rooms: []*listed{}, More: len(all) > limit}, call.MaxReply()
	for _, e := range all[:min(len(all), limit)] {
		if len(res.Rooms) > 0 && (left <= 0 || call.Spent()) {
			res.More = true
			break
		}
		call.HasRead(roomEntries)
		l, _, err := listRoom(ctx, call, user, e)
		if err != nil {
			return res, err
		}
		if l != nil {
			res.Rooms = append(res.Rooms, l)
			left -= l.size()
		}
	}
	return res, nil
}

// size returns the bytes of the entry that other users have chosen.
func (l *listed) size() int {
	if l.Last == nil {
		return len(l.Title)
	}
	return len(l.Title) + l.Last.Size()
}

// listRoom reads a room of a user's list. The result is nil if the user is banned there, or is not on the roster; then listRoom
// also mends the list, unless this node may not know the latest changes. Otherwise r is the caller's entry on the roster.
func listRoom(ctx context.Context, call *rpc.Call, user string, entry engine.Entry) (l *listed, r policy.Roster, err error) {
	s, name := serverStore(call.Hub), entry.Name
	r, there, err := belongs(ctx, s, name, user)
	if err != nil {
		return nil, r, err
	}
	switch banned := call.Hub.BanBinds(name, call.Identity()); {
	case (banned || !there) && call.Hub.Judge().IsStateOld():
		return nil, r, nil
	case !there:
		return nil, r, s.Delete(ctx, entry.Key, engine.AnyVersion)
	case banned:
		return nil, r, leave(ctx, s, name, user)
	case call.May(policy.ActBe, name) != nil:
		return nil, r, nil // hidden until the ban ends
	}
	l = &listed{Room: name, Kind: kindOf(name), Role: r.Role}
	set, _, err := settingsOf(ctx, s, name)
	if err != nil {
		return nil, r, err
	}
	l.Title = set.Title
	m, err := markOf(ctx, s, name, user)
	if err != nil {
		return nil, r, err
	}
	if err := l.count(ctx, call, user, r, m); err != nil {
		return nil, r, err
	}
	return l, r, l.addPeer(ctx, call, user, entry.Value)
}

// addPeer adds the other user of a direct room. It takes the info from a connection of the other user
// if the caller may see that, else from the last message, else from the list entry.
func (l *listed) addPeer(ctx context.Context, call *rpc.Call, user string, entry []byte) error {
	other := otherIn(l.Room, user)
	if other == "" {
		return nil
	}
	call.HasRead(meetEntries)
	takesPart, err := takesPart(ctx, serverStore(call.Hub), l.Room, other, user)
	if err != nil {
		return err
	}
	p := peer{User: other}
	if mayMeet(call, l.Room, takesPart) {
		here, err := call.Presence(policy.PersonalRoom(other))
		p = peerOf(other, here, err)
	}
	if p.Info == nil && l.Last != nil && l.Last.Info != nil && l.Last.Info.User == other {
		p.Info = messages.Valid(l.Last.Info.ConnInfo)
	}
	if p.Info == nil {
		var m mine
		_ = json.Unmarshal(entry, &m) // if it fails, there is no name
		p.Info = infoOf(m.Name)
	}
	l.With = &p
	return nil
}

// mayMeet reports whether the caller may see the name and the presence of the other user of a direct
// room that the caller lists. takesPart: the other user takes part in the room, see takesPart.
func mayMeet(call *rpc.Call, name string, takesPart bool) bool {
	m := policy.Membership{In: true, Listed: policy.NotListed}
	if takesPart {
		m.Listed = policy.IsListed
	}
	return call.JudgeAs(policy.ActMeet, name, m).Outcome == policy.Allow
}

// mayRead reports whether the caller may read the history of a room in its list. An old copy of a roster makes nobody a member:
// then the caller must be in the room.
func (l *listed) mayRead(call *rpc.Call, r policy.Roster) bool {
	if l.Kind == kindPrivate && !call.Hub.Judge().IsStateOld() { // the roster's entry makes the caller a member
		return call.JudgeAs(policy.ActHistory, l.Room, policy.Membership{In: true, Roles: r.Roles()}).Outcome != policy.Deny
	}
	return call.Judge(policy.ActHistory, l.Room).Outcome != policy.Deny
}

// count sets the last message, and the number of unread messages after the mark. It sets neither if
// the caller may not read the history. It reads backwards: the last message, and then to the mark, or
// until it has counted or read enough.
func (l *listed) count(ctx context.Context, call *rpc.Call, user string, r policy.Roster, read markEntry) error {
	if !l.mayRead(call, r) {
		return nil
	}
	w := messages.NewWalk(call, l.Room, room.HistoryQuery{Reverse: true})
	var newest []engine.Publication // to the last message
	deleted := map[uint64]bool{}
	for size := tail; ; size = min(4*size, messages.MaxPiece) {
		got, err := w.Piece(size)
		if err == wire.ErrNotAvailable {
			return nil // the room has no history
		}
		if err != nil {
			return err
		}
		now, err := read.in(ctx, call.Hub, l.Room, w.Top.Epoch)
		if err != nil {
			return err
		}
		l.Read, read = now.Read, markEntry{mark: now, Epoch: w.Top.Epoch}
		l.countIn(got, user, deleted)
		if l.Last == nil {
			newest = append(newest, got...)
			if all := messages.FoldBackwards(newest); len(all) > 0 {
				l.Last = all[len(all)-1]
			}
		}
		if l.Last != nil {
			w.StopAt(l.Read)
		}
		if w.End || l.Last != nil && (w.Last <= l.Read || l.Unread == maxUnread) || w.HasSpent() {
			break
		}
	}
	if l.Last == nil {
		return nil
	}
	defer l.Last.Repair()
	return messages.Revise(ctx, call, l.Room, []*messages.Message{l.Last}, true)
}

// countIn counts the unread messages among publications, the newest first. deleted has the offsets of
// messages that events have deleted, which come before the messages.
func (l *listed) countIn(all []engine.Publication, user string, deleted map[uint64]bool) {
	for _, p := range all {
		switch {
		case p.Tags[engine.TagEvent] == messages.EventDelete:
			of, _ := strconv.ParseUint(p.Tags[engine.TagOf], 10, 64)
			deleted[of] = true
		case l.Unread == maxUnread || p.Offset <= l.Read || !messages.IsMessage(p) || p.Redacted() || deleted[p.Offset]:
		case p.From != nil && p.From.User == user:
		case messages.New(p) != nil:
			l.Unread++
		}
	}
}
