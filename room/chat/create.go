package chat

import (
	"crypto/rand"
	"strings"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

type createRequest struct {
	inRoom
	Title string   `json:"title"`
	Users []string `json:"users"`
}

type roomResult struct {
	Room string `json:"room"`
}

// create makes a private room, which the caller owns, or a public one. The creator of a public room
// gets no role in it; otherwise users would create rooms only to own their names.
func (c *Chat) create(call *room.Call, q *createRequest) {
	user, err := named(call)
	if err == nil {
		err = checkTitle(q.Title)
	}
	if err == nil {
		err = checkUsers(q.Users)
	}
	name, role := q.Room, ""
	if name == "" {
		name, role = "$"+strings.ToLower(rand.Text()), room.OwnerRole
		if err == nil {
			err = call.MayAs(room.ActSend, name, room.Roster{}) // the title is sent to the invited users
		}
	} else if err == nil {
		if err = may(call, room.ActSend, name); err == nil && strings.ContainsAny(name[:1], "#$") {
			err = wire.Explain(wire.ErrBadRequest, "bad request: the name of a public room begins with neither # nor $; leave room out for a private one")
		}
	}
	if err == nil && q.Title == "" {
		err = wire.Explain(wire.ErrBadRequest, "bad request: title is missing")
	}
	if err == nil {
		err = c.invitations.take(call.Payer(), q.Users...)
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	value, err := json.Marshal(room.Settings{Title: q.Title, By: user})
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.State()
	e.Put(engine.Entry{Key: engine.Key{Table: engine.TableRoom, Of: name}, Value: value}, func(_ uint64, err error) {
		if err == engine.ErrVersion {
			call.Done(nil, wire.Explain(wire.ErrConflict, "a room of that name exists: join it, or choose another name"))
			return
		}
		if err != nil {
			call.Done(nil, room.StateError(err))
			return
		}
		enroll(call.Hub, e, name, user, role, maxMine, func(_ bool, err error) {
			if err != nil {
				e.Delete(engine.Key{Table: engine.TableRoom, Of: name}, engine.AnyVersion, func(error) { call.Done(nil, err) })
				return
			}
			tell(call.Hub, call.Payer(), user, map[string]string{engine.TagEvent: eventRooms, tagRoom: name}, nil)
			c.inviteAll(call, name, q.Title, q.Users, func(err error) { answer(call, roomResult{name}, err) })
		})
	})
}

type directRequest struct {
	User string `json:"user"`
}

// direct puts the direct room of the caller and another user into the caller's list. The other user
// gets it with the first message.
func (c *Chat) direct(call *room.Call, q *directRequest) {
	user, err := named(call)
	name := room.DirectRoom(user, q.User)
	switch {
	case err != nil:
	case q.User == "" || q.User == user:
		err = wire.Explain(wire.ErrBadRequest, "bad request: user must be another user")
	case wire.CheckRoomName(name) != nil:
		err = wire.Explain(wire.ErrBadRequest, "bad request: these names are too long for a room, or have control characters")
	default:
		err = may(call, room.ActJoin, name)
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	enroll(call.Hub, call.State(), name, user, "", maxMine, func(isNew bool, err error) {
		if err == nil && isNew {
			tell(call.Hub, call.Payer(), user, map[string]string{engine.TagEvent: eventRooms, tagRoom: name}, nil)
		}
		answer(call, roomResult{name}, err)
	})
}
