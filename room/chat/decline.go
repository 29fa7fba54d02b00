package chat

import (
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// Each room or user that a user declines is an entry of TableDecline, which that user pays for.
// Invitations look it up; the inviting user is not told.

// maxDeclined limits the rooms and users that one user declines.
const maxDeclined = 1000

// declined is the value of an entry of TableDecline.
type declined struct {
	Since int64 `json:"since"` // unix milliseconds
}

func declinedRoom(user, name string) engine.Key {
	return engine.Key{Table: engine.TableDecline, Of: user, Name: "room " + name}
}

func declinedUser(user, other string) engine.Key {
	return engine.Key{Table: engine.TableDecline, Of: user, Name: "user " + other}
}

// declines looks up whether user declines invitations to the room, or all invitations by another
// user.
func declines(e engine.State, user, name, by string, done func(is bool, err error)) {
	e.Get(declinedRoom(user, name), func(entry engine.Entry, err error) {
		if err != nil || entry.Version != 0 {
			done(err == nil, room.StateError(err))
			return
		}
		e.Get(declinedUser(user, by), func(entry engine.Entry, err error) { done(entry.Version != 0, room.StateError(err)) })
	})
}

type declineRequest struct {
	inRoom
	User string `json:"user"`
	Undo bool   `json:"undo"`
}

// decline stops invitations to a room, or by a user, from reaching the caller, or undoes that.
func (c *Chat) decline(call *room.Call, q *declineRequest) {
	user, err := named(call)
	switch {
	case err != nil:
	case (q.Room == "") == (q.User == ""):
		err = wire.Explain(wire.ErrBadRequest, "bad request: set either room or user, to decline invitations to the room or by the user")
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
		call.State().Delete(key, engine.AnyVersion, func(err error) { done(room.StateError(err)) })
		return
	}
	declineFor(call, key, done)
}

// declineFor writes an entry, unless the user has maxDeclined already.
func declineFor(call *room.Call, key engine.Key, done func(error)) {
	e := call.State()
	value, err := json.Marshal(declined{time.Now().UnixMilli()})
	if err != nil {
		done(err)
		return
	}
	capped(e, key.Table, key.Of, maxDeclined, "you decline as many rooms and users as one user may: remove some with undo", func(err error) {
		if err != nil {
			done(err)
			return
		}
		e.Put(engine.Entry{Key: key, Value: value, Version: engine.AnyVersion}, func(_ uint64, err error) { done(room.StateError(err)) })
	})
}
