package chat

import (
	"slices"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

// mark is what a user got and read of a room: an entry of TableMark.
type mark struct {
	Read      uint64 `json:"read"`
	Delivered uint64 `json:"delivered"`
}

type markRequest struct {
	Room      string `json:"room"`
	Read      uint64 `json:"read"`
	Delivered uint64 `json:"delivered"`
}

// maxMarked is the most users on a room's roster that see each other's marks.
const maxMarked = 100

// mark notes what the caller got and read. Marks only grow, and not beyond what
// there is.
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
	h := call.Hub
	h.Engine().History(q.Room, room.Span{}, func(top room.History, err error) {
		if err != nil {
			call.Done(nil, wire.ErrInternal)
			return
		}
		var now mark
		changed := false
		change(h.Engine(), room.Key{Table: room.TableMark, Of: q.Room, Name: user}, func(m *mark, _ bool) bool {
			old := *m
			m.Read = min(max(m.Read, q.Read), top.Top.Offset)
			m.Delivered = min(max(m.Delivered, q.Delivered, m.Read), top.Top.Offset)
			now, changed = *m, *m != old
			return changed
		}, func(err error) {
			if err == nil && changed {
				c.marked(call, q.Room, user, now)
			}
			answer(call, now, err)
		})
	})
}

// marked tells the caller's other devices, and in small rooms the others.
func (c *Chat) marked(call *room.Call, name, user string, now mark) {
	h := call.Hub
	tell(h, user, map[string]string{room.TagEvent: eventMark, tagRoom: name, "read": number(now.Read)}, nil)
	h.Engine().List(room.TableMember, name, "", maxMarked+1, func(all []room.Entry, err error) {
		if err != nil || len(all) == 0 || len(all) > maxMarked {
			return
		}
		tags := map[string]string{room.TagEvent: eventMark, "read": number(now.Read), "delivered": number(now.Delivered)}
		call.Publish(room.Saying{Room: name, Data: noData, Tags: tags, Event: true, Always: true}, func(room.Position, error) {})
	})
}

type marksRequest struct {
	Room string `json:"room"`
}

type marksResult struct {
	Marks []userMark `json:"marks"`
}

type userMark struct {
	User string `json:"user"`
	mark
}

// marks tells who got and read what, in rooms where others see that.
func (c *Chat) marks(call *room.Call, q *marksRequest) {
	err := may(call, room.ActHistory, q.Room)
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.Hub.Engine()
	e.List(room.TableMember, q.Room, "", maxMarked+1, func(members []room.Entry, err error) {
		if err != nil || len(members) > maxMarked {
			answer(call, marksResult{[]userMark{}}, err)
			return
		}
		e.List(room.TableMark, q.Room, "", maxRoster, func(all []room.Entry, err error) {
			res := marksResult{[]userMark{}}
			for _, entry := range all {
				m := userMark{User: entry.Name}
				there := slices.ContainsFunc(members, func(e room.Entry) bool { return e.Name == entry.Name })
				if there && json.Unmarshal(entry.Value, &m.mark) == nil {
					res.Marks = append(res.Marks, m)
				}
			}
			answer(call, res, err)
		})
	})
}
