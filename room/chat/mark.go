package chat

import (
	"errors"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// mark tells how far a user has received and read a room.
type mark struct {
	Read      uint64 `json:"read"`
	Delivered uint64 `json:"delivered"`
}

// markEntry is the value of an entry of TableMark. Its offsets belong to an epoch; in another epoch
// nothing is read yet.
type markEntry struct {
	mark
	Epoch string `json:"epoch"`
}

// in returns the mark for an epoch.
func (m markEntry) in(epoch string) mark {
	if m.Epoch != epoch {
		return mark{}
	}
	return m.mark
}

// markOf reads a user's mark, which is the zero value if there is none.
func markOf(e engine.State, name, user string, done func(markEntry, error)) {
	e.Get(markKey(name, user), func(entry engine.Entry, err error) {
		var m markEntry
		if err == nil && entry.Version != 0 {
			err = json.Unmarshal(entry.Value, &m)
		}
		done(m, err)
	})
}

// markKey returns the key of a mark. The marks of a user have the same Of, so that they can be
// counted.
func markKey(name, user string) engine.Key {
	return engine.Key{Table: engine.TableMark, Of: user, Name: name}
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
func (c *Chat) mark(call *room.Call, q *markRequest) {
	user, err := named(call)
	if err == nil {
		err = may(call, room.ActRead, q.Room)
	}
	if err == nil && kindOf(q.Room) == kindPrivate && !call.In(q.Room) {
		err = wire.Explain(wire.ErrPermissionDenied, "permission denied: join the room first")
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.Hub.Engine()
	e.History(q.Room, engine.Span{}, func(top engine.History, err error) {
		if err != nil {
			call.Done(nil, wire.Internal(err))
			return
		}
		markOf(e, q.Room, user, func(old markEntry, err error) {
			if err != nil || old != (markEntry{}) {
				c.grow(call, q, user, top.Top, err)
				return
			}
			capped(e, engine.TableMark, user, maxMarks, "you have marks in the maximum number of rooms: leave a room", func(err error) {
				c.grow(call, q, user, top.Top, err)
			})
		})
	})
}

// grow raises a mark, or passes on err if it is set.
func (c *Chat) grow(call *room.Call, q *markRequest, user string, top engine.Position, err error) {
	if err != nil {
		call.Done(nil, err)
		return
	}
	var now mark
	changed := false
	change(call.State(), markKey(q.Room, user), func(m *markEntry, _ bool) bool {
		old := m.in(top.Epoch)
		now = mark{Read: min(max(old.Read, q.Read), top.Offset)}
		now.Delivered = min(max(old.Delivered, q.Delivered, now.Read), top.Offset)
		*m, changed = markEntry{now, top.Epoch}, now != old
		return changed
	}, func(err error) {
		if err == nil && changed {
			c.marked(call, q.Room, user, now)
		}
		answer(call, now, err)
	})
}

// marked tells the caller's other devices about a mark, and in small rooms the other users.
func (c *Chat) marked(call *room.Call, name, user string, now mark) {
	h := call.Hub
	tell(h, call.Payer(), user, map[string]string{engine.TagEvent: eventMark, tagRoom: name, "read": number(now.Read)}, nil)
	h.Engine().List(engine.TableMember, name, "", maxMarked+1, func(all []engine.Entry, err error) {
		switch {
		case err != nil || len(all) > maxMarked:
		case kindOf(name) == kindPublic: // guests are on no roster, so the clients that are present count
			h.Engine().Count(name, func(clients, _ int, err error) {
				if err == nil && clients > 0 && clients <= maxMarked {
					announceMark(call, name, user, now)
				}
			})
		case len(all) > 0:
			announceMark(call, name, user, now)
		}
	})
}

func announceMark(call *room.Call, name, user string, now mark) {
	tags := map[string]string{engine.TagEvent: eventMark, "read": number(now.Read), "delivered": number(now.Delivered)}
	announce(call, room.Saying{Room: name, CompactKey: "mark " + user, Tags: tags}, func(error) {})
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
func (c *Chat) marks(call *room.Call, q *marksRequest) {
	err := may(call, room.ActHistory, q.Room)
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.Hub.Engine()
	e.List(engine.TableMember, q.Room, "", maxMarked+1, func(members []engine.Entry, err error) {
		res := marksResult{[]userMark{}}
		if err != nil || len(members) > maxMarked {
			answer(call, res, err)
			return
		}
		withGuests(call, q.Room, members, func(users []string) {
			call.HasRead(len(users))
			e.History(q.Room, engine.Span{}, func(top engine.History, err error) {
				each(users, func(user string, done func(error)) {
					markOf(e, q.Room, user, func(m markEntry, err error) {
						if now := m.in(top.Top.Epoch); now != (mark{}) {
							res.Marks = append(res.Marks, userMark{user, now})
						}
						done(err)
					})
				}, func(failed error) { answer(call, res, errors.Join(err, failed)) })
			})
		})
	})
}

// withGuests returns the users of a roster and, in a public room, the guests that are present,
// unless both together are more than maxMarked.
func withGuests(call *room.Call, name string, members []engine.Entry, done func(users []string)) {
	users := make([]string, 0, len(members))
	for _, m := range members {
		users = append(users, m.Name)
	}
	if kindOf(name) != kindPublic {
		done(users)
		return
	}
	call.Presence(name, func(here []engine.Author, err error) {
		guests := map[string]bool{}
		for _, a := range here {
			if room.IsGuest(a.User) {
				guests[a.User] = true
			}
		}
		if err == nil && len(users)+len(guests) <= maxMarked {
			users = slices.AppendSeq(users, maps.Keys(guests))
		}
		done(users)
	})
}
