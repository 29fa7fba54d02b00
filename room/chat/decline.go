package chat

import (
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

// What a user declines for good is an entry of TableDecline, which the user pays for:
// a room, or another user. Invitations look for it; whoever invites is not told.

// maxDeclined is how much one user declines at most.
const maxDeclined = 1000

// declined is an entry of TableDecline.
type declined struct {
	Since int64 `json:"since"` // unix milliseconds
}

func declinedRoom(user, name string) room.Key {
	return room.Key{Table: room.TableDecline, Of: user, Name: "room " + name}
}

func declinedUser(user, other string) room.Key {
	return room.Key{Table: room.TableDecline, Of: user, Name: "user " + other}
}

// declines tells whether a user wants no invitation to a room, or none by another user.
func declines(e room.State, user, name, by string, done func(is bool, err error)) {
	e.Get(declinedRoom(user, name), func(entry room.Entry, err error) {
		if err != nil || entry.Version != 0 {
			done(err == nil, room.StateError(err))
			return
		}
		e.Get(declinedUser(user, by), func(entry room.Entry, err error) { done(entry.Version != 0, room.StateError(err)) })
	})
}

type declineRequest struct {
	inRoom
	User string `json:"user"`
	Undo bool   `json:"undo"`
}

// decline notes that no invitation to a room, or by a user, is to reach the caller any
// more, or takes that back.
func (c *Chat) decline(call *room.Call, q *declineRequest) {
	user, err := named(call)
	switch {
	case err != nil:
	case (q.Room == "") == (q.User == ""):
		err = wire.Explain(wire.ErrBadRequest, "bad request: name either the room or the user whose invitations are declined")
	case q.User != "":
		err = checkUsers([]string{q.User})
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	key := declinedRoom(user, q.Room)
	if q.User != "" {
		key = declinedUser(user, q.User)
	}
	done := func(err error) { answer(call, empty{}, err) }
	if q.Undo {
		call.State().Delete(key, room.AnyVersion, func(err error) { done(room.StateError(err)) })
		return
	}
	declineFor(call, key, done)
}

// declineFor writes an entry, if there is room for it.
func declineFor(call *room.Call, key room.Key, done func(error)) {
	e := call.State()
	value, err := json.Marshal(declined{time.Now().UnixMilli()})
	if err != nil {
		done(err)
		return
	}
	capped(e, key.Table, key.Of, maxDeclined, "you decline as much as one user may: take some back with undo", func(err error) {
		if err != nil {
			done(err)
			return
		}
		e.Put(room.Entry{Key: key, Value: value, Version: room.AnyVersion}, func(_ uint64, err error) { done(room.StateError(err)) })
	})
}
