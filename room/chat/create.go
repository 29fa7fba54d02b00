package chat

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/go-json-experiment/json"

	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
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
func (c *Chat) create(ctx context.Context, call *rpc.Call, q *createRequest) (res roomResult, err error) {
	user, err := named(call)
	if err != nil {
		return res, err
	}
	if err := checkTitle(q.Title); err != nil {
		return res, err
	}
	if err := checkUsers(q.Users); err != nil {
		return res, err
	}
	name, role := q.Room, ""
	if name == "" {
		name, role = "$"+strings.ToLower(rand.Text()), policy.OwnerRole
		if v := call.JudgeAs(policy.ActSend, name, policy.Membership{In: true}); v.Outcome == policy.Deny {
			err = call.Hub.Judge().Refusal(v) // the title is sent to the invited users
		}
	} else {
		err = may(call, policy.ActSend, name)
	}
	switch {
	case err != nil:
		return res, err
	case role == "" && strings.ContainsAny(name[:1], "#$"):
		return res, badRequest("the name of a public room begins with neither # nor $; leave room out for a private one")
	case q.Title == "":
		return res, badRequest("title is missing")
	}
	if err := c.invitations.Take(call.Payer(), q.Users...); err != nil {
		return res, err
	}
	if err := storeRoom(ctx, call, name, user, role, q.Title); err != nil {
		return res, err
	}
	tellList(call, user, name)
	return roomResult{name}, inviteAll(ctx, call, name, q.Title, q.Users)
}

// storeRoom stores the settings of a new room, and puts it into the list of its creator.
func storeRoom(ctx context.Context, call *rpc.Call, name, user, role, title string) error {
	value, err := json.Marshal(policy.Settings{Title: title, By: user})
	if err != nil {
		return err
	}
	s, k := store.New(call.State()), engine.Key{Table: engine.TableRoom, Of: name}
	_, err = s.Put(ctx, engine.Entry{Key: k, Value: value})
	if err == engine.ErrVersion {
		return wire.Explain(wire.ErrConflict, "a room of that name exists: join it, or choose another name")
	}
	if err != nil {
		return err
	}
	if _, err = enroll(ctx, call.Hub, store.New(call.State()), name, user, role, maxMine); err != nil {
		_ = s.Delete(ctx, k, engine.AnyVersion) // the call fails in any case
	}
	return err
}

type directRequest struct {
	User string `json:"user"`
}

// direct puts the direct room of the caller and another user into the caller's list. The other user
// gets it with the first message.
func (c *Chat) direct(ctx context.Context, call *rpc.Call, q *directRequest) (res roomResult, err error) {
	user, err := named(call)
	name := policy.DirectRoom(user, q.User)
	switch {
	case err != nil:
		return res, err
	case q.User == "" || q.User == user:
		return res, badRequest("user must be another user")
	case wire.CheckRoomName(name) != nil:
		return res, badRequest("these names are too long for a room, or have control characters")
	}
	if err := may(call, policy.ActJoin, name); err != nil {
		return res, err
	}
	isNew, err := enroll(ctx, call.Hub, store.New(call.State()), name, user, "", maxMine)
	if err == nil && isNew {
		tellList(call, user, name)
	}
	return roomResult{name}, err
}
