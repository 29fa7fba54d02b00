package chat

import (
	"fmt"
	"slices"

	"webim/room"
	"webim/room/chat/invitations"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// Chat implements the calls; it is an rpc.Caller. Its only state of its own is the rates of
// invitations. One Chat may serve several hubs.
type Chat struct {
	invitations invitations.Counter
}

// New returns a Chat.
func New() *Chat { return &Chat{} }

// This file also has the parts that the calls share: of their requests, of the names of rooms, and of
// the checks with which they begin.

// serverStore is the State as the server writes it, at its own expense.
func serverStore(h *room.Hub) store.Store { return store.New(h.Engine()) }

// empty is the result of a call that returns nothing.
type empty struct{}

// badRequest is the error of a call with wrong arguments.
func badRequest(format string, args ...any) error {
	return wire.Explain(wire.ErrBadRequest, "bad request: "+fmt.Sprintf(format, args...))
}

// pageLimit returns how many entries a page may have: the number that a request gives, or usual if it
// gives none.
func pageLimit(given *int, usual, most int) (int, error) {
	if given == nil {
		return usual, nil
	}
	if *given < 1 || *given > most {
		return 0, badRequest("limit must be 1 to %d", most)
	}
	return *given, nil
}

// inRoom is the part of a request that names a room. Room may be "" only in calls that say so.
type inRoom struct {
	Room string `json:"room"`
}

// normalise rewrites the name to its normal form, before anything is decided by it.
func (q *inRoom) normalise() error {
	if q.Room == "" {
		return nil
	}
	name, err := wire.RoomName(q.Room)
	if err != nil {
		return badRequest("%v", err)
	}
	q.Room = name
	return nil
}

// Kinds of rooms.
const (
	kindPublic  = "public"
	kindPrivate = "private"
	kindDirect  = "direct"
)

func kindOf(name string) string {
	switch {
	case policy.IsRoster(name):
		return kindPrivate
	case policy.IsDirect(name):
		return kindDirect
	}
	return kindPublic
}

// otherIn returns the other user of a direct room, or "" for other rooms.
func otherIn(name, user string) string {
	if !policy.IsDirect(name) {
		return ""
	}
	for _, one := range policy.UsersOf(name) {
		if one != user {
			return one
		}
	}
	return ""
}

// named returns the caller's user. A caller without a user gets an error, because it has no list of
// rooms.
func named(call *rpc.Call) (string, error) {
	if user := call.Author().User; user != "" {
		return user, nil
	}
	return "", wire.Explain(wire.ErrUnauthorized, "unauthorized: this needs a user: connect with a token")
}

// may reports whether the caller may do something in a room that a client has named.
func may(call *rpc.Call, a policy.Action, name string) error {
	if err := checkRoom(name); err != nil {
		return err
	}
	return call.May(a, name)
}

// checkAndPublish is call.CheckAndPublish for a room that a client has named.
func checkAndPublish(call *rpc.Call, a policy.Action, what room.SessionMessage, check func() error) (engine.Position, error) {
	if err := checkRoom(what.Room); err != nil {
		return engine.Position{}, err
	}
	return call.CheckAndPublish(a, what, check)
}

func checkRoom(name string) error {
	if err := wire.CheckRoomName(name); err != nil {
		return badRequest("%v", err)
	}
	return nil
}

// maxInvited is the largest number of users in one call.
const maxInvited = 50

func checkUsers(users []string) error {
	if len(users) > maxInvited {
		return badRequest("%d users at most in one call", maxInvited)
	}
	if slices.ContainsFunc(users, func(u string) bool { return u == "" || wire.CheckRoomName(policy.PersonalRoom(u)) != nil }) {
		return badRequest("that is no user")
	}
	return nil
}
