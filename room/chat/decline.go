package chat

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/rpc"
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
func declines(ctx context.Context, s store.Store, user, name, by string) (bool, error) {
	for _, k := range []engine.Key{declinedRoom(user, name), declinedUser(user, by)} {
		if e, err := s.Get(ctx, k); err != nil || e.Version != 0 {
			return err == nil, err
		}
	}
	return false, nil
}

type declineRequest struct {
	inRoom
	User string `json:"user"`
	Undo bool   `json:"undo"`
}

// decline stops invitations to a room, or by a user, from reaching the caller, or undoes that.
func (c *Chat) decline(ctx context.Context, call *rpc.Call, q *declineRequest) (empty, error) {
	user, err := named(call)
	if err != nil {
		return empty{}, err
	}
	if (q.Room == "") == (q.User == "") {
		return empty{}, badRequest("set either room or user, to decline invitations to the room or by the user")
	}
	key := declinedRoom(user, q.Room)
	if q.User != "" {
		if err := checkUsers([]string{q.User}); err != nil {
			return empty{}, err
		}
		key = declinedUser(user, q.User)
	}
	if q.Undo {
		return empty{}, store.New(call.State()).Delete(ctx, key, engine.AnyVersion)
	}
	return empty{}, storeDecline(ctx, call, key)
}

// storeDecline writes an entry, unless the user has maxDeclined already.
func storeDecline(ctx context.Context, call *rpc.Call, key engine.Key) error {
	s := store.New(call.State())
	if err := store.AtMost(ctx, s, maxDeclined, key.Table, key.Of, "you decline as many rooms and users as one user may: remove some with undo"); err != nil {
		return err
	}
	value, err := json.Marshal(declined{time.Now().UnixMilli()})
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, engine.Entry{Key: key, Value: value, Version: engine.AnyVersion})
	return err
}
