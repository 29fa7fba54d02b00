package chat

import (
	"context"
	"maps"
	"slices"
	"time"

	"webim/room"
	"webim/room/await"
	"webim/room/chat/messages"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// mark tells how far a user has received and read a room.
type mark struct {
	Read      uint64 `json:"read"`
	Delivered uint64 `json:"delivered"`
}

// markEntry is the value of an entry of TableMark. Its offsets belong to an epoch.
type markEntry struct {
	mark
	Epoch string `json:"epoch"`
	Time  int64  `json:"time"` // unix nanoseconds: when the user has marked the room
}

// in returns the mark for an epoch. If that is a later one than the mark's, the room may have lost its last
// publications, and others have their offsets, which are younger than the mark. Then the mark goes back to the last
// publication that was there before it. If that is far away, nothing is marked.
func (m markEntry) in(ctx context.Context, h *room.Hub, name, epoch string) (mark, error) {
	if m.Epoch == epoch || m.mark == (mark{}) {
		return m.mark, nil
	}
	for _, limit := range []int{1, messages.MaxPiece} { // usually the room has lost nothing that was marked
		got, err := messages.History(ctx, h, name, engine.Span{Newest: true, Before: m.Delivered + 1, Limit: limit})
		if err != nil {
			return mark{}, err
		}
		for _, p := range got.Publications {
			if p.Time.UnixNano() <= m.Time {
				return mark{Read: min(m.Read, p.Offset), Delivered: p.Offset}, nil
			}
		}
	}
	return mark{}, nil
}

// markOf reads a user's mark, which is the zero value if there is none.
func markOf(ctx context.Context, s store.Store, name, user string) (markEntry, error) {
	m, _, err := store.Read[markEntry](ctx, s, markKey(name, user))
	return m, err
}

// markIn reads a user's mark for an epoch.
func markIn(ctx context.Context, h *room.Hub, name, user, epoch string) (mark, error) {
	m, err := markOf(ctx, serverStore(h), name, user)
	if err != nil {
		return mark{}, err
	}
	return m.in(ctx, h, name, epoch)
}

type markRequest struct {
	inRoom
	Read      uint64 `json:"read"`
	Delivered uint64 `json:"delivered"`
}

// maxMarks limits the marks of a user: enough for the rooms in the user's list, and for as many
// others.
const maxMarks = 2 * maxMine

// maxMarked limits the rooms in which users see each other's marks, by the users on the roster, and in
// a public room also by the clients that are present.
const maxMarked = 100

// mark stores how far the caller has received and read a room. Marks only grow, and not beyond the
// newest offset.
func (c *Chat) mark(ctx context.Context, call *rpc.Call, q *markRequest) (now mark, err error) {
	user, err := named(call)
	if err != nil {
		return now, err
	}
	if err := may(call, policy.ActRead, q.Room); err != nil {
		return now, err
	}
	if kindOf(q.Room) == kindPrivate && !call.IsIn(q.Room) {
		return now, wire.Explain(wire.ErrPermissionDenied, "permission denied: join the room first")
	}
	h, s := call.Hub, store.New(call.State())
	got, err := messages.History(ctx, h, q.Room, engine.Span{})
	if err != nil {
		return now, err
	}
	was, err := markOf(ctx, s, q.Room, user)
	if err == nil && was == (markEntry{}) {
		err = store.AtMost(ctx, s, maxMarks, engine.TableMark, user, "you have marks in the maximum number of rooms: leave a room")
	}
	if err != nil {
		return now, err
	}
	top, changed := got.Top, false
	before, err := was.in(ctx, h, q.Room, top.Epoch)
	if err != nil {
		return now, err
	}
	err = store.Change(ctx, s, markKey(q.Room, user), func(m *markEntry, there bool) bool {
		old := m.mark
		if m.Epoch != top.Epoch {
			old = before
		}
		now = mark{Read: min(max(old.Read, q.Read), top.Offset)}
		now.Delivered = min(max(old.Delivered, q.Delivered, now.Read), top.Offset)
		*m, changed = markEntry{now, top.Epoch, time.Now().UnixNano()}, now != old
		return changed
	})
	if err == nil && changed {
		tellMark(ctx, call, q.Room, user, now)
	}
	return now, err
}

// tellMark tells the caller's other devices about a mark, and in small rooms the other users. An error
// is ignored: the mark is stored.
func tellMark(ctx context.Context, call *rpc.Call, name, user string, now mark) {
	h := call.Hub
	tell(h, call.Payer(), user, map[string]string{engine.TagEvent: eventMark, tagRoom: name, "read": messages.Number(now.Read)}, nil)
	listed := h.Shares().RosterSize(name)
	if listed > maxMarked || listed == 0 && kindOf(name) != kindPublic {
		return
	}
	if kindOf(name) == kindPublic { // guests are on no roster, so the clients that are present count
		here, err := clients(ctx, h, name)
		if err != nil || here == 0 || here > maxMarked {
			return
		}
	}
	tags := map[string]string{engine.TagEvent: eventMark, "read": messages.Number(now.Read), "delivered": messages.Number(now.Delivered)}
	_ = announce(call, room.SessionMessage{Room: name, CompactKey: "mark " + user, Tags: tags})
}

// clients counts the connections in a room.
func clients(ctx context.Context, h *room.Hub, name string) (int, error) {
	return await.Value(ctx, func(done func(int, error)) {
		h.Engine().Count(name, func(clients, _ int, err error) { done(clients, err) })
	})
}

type marksRequest struct {
	inRoom
}

type marksResult struct {
	Marks []userMark `json:"marks"`
}

type userMark struct {
	User string `json:"user"`
	mark
}

// marks returns the marks of a room in which users see each other's: those on the roster and, in a
// public room, the guests that are present.
func (c *Chat) marks(ctx context.Context, call *rpc.Call, q *marksRequest) (res marksResult, err error) {
	if err := may(call, policy.ActHistory, q.Room); err != nil {
		return res, err
	}
	res.Marks = []userMark{}
	h := call.Hub
	members, err := serverStore(h).List(ctx, engine.TableMember, q.Room, "", maxMarked+1)
	if err != nil || len(members) > maxMarked {
		return res, err
	}
	users := withGuests(call, q.Room, members)
	call.HasRead(len(users))
	got, err := messages.History(ctx, h, q.Room, engine.Span{})
	if err != nil {
		return res, err
	}
	for _, user := range users {
		now, err := markIn(ctx, h, q.Room, user, got.Top.Epoch)
		if err != nil {
			return res, err
		}
		if now != (mark{}) {
			res.Marks = append(res.Marks, userMark{user, now})
		}
	}
	return res, nil
}

// withGuests returns the users of a roster and, in a public room, the guests that are present,
// unless both together are more than maxMarked. If the presence is unknown, it returns no guests.
func withGuests(call *rpc.Call, name string, members []engine.Entry) []string {
	users := make([]string, 0, len(members))
	for _, m := range members {
		users = append(users, m.Name)
	}
	if kindOf(name) != kindPublic {
		return users
	}
	here, err := call.Presence(name)
	guests := map[string]bool{}
	for _, a := range here {
		if policy.IsGuest(a.User) {
			guests[a.User] = true
		}
	}
	if err == nil && len(users)+len(guests) <= maxMarked {
		users = slices.AppendSeq(users, maps.Keys(guests))
	}
	return users
}
