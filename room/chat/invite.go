package chat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

type inviteRequest struct {
	inRoom
	User string `json:"user"`
}

// invite tells a user of a room, and, if it is private, puts the user on its
// roster.
func (c *Chat) invite(call *room.Call, q *inviteRequest) {
	_, err := named(call)
	if err == nil {
		err = may(call, room.ActInvite, q.Room)
	}
	if err == nil {
		err = checkUsers([]string{q.User})
	}
	if err == nil && strings.HasPrefix(q.Room, "#") {
		err = wire.Explain(wire.ErrBadRequest, "bad request: nobody else can be in that room")
	}
	if err == nil {
		err = c.invitations.take(call.Payer(), q.User)
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	room.SettingsOf(call.Hub.Engine(), q.Room, func(s room.Settings, _ uint64, err error) {
		if err != nil {
			call.Done(nil, wire.Internal(err))
			return
		}
		c.inviteAll(call, q.Room, s.Title, []string{q.User}, func(err error) { answer(call, empty{}, err) })
	})
}

func (c *Chat) inviteAll(call *room.Call, name, title string, users []string, done func(error)) {
	h := call.Hub
	data, err := json.Marshal(map[string]string{"title": title})
	if err != nil {
		done(err)
		return
	}
	each(users, func(user string, done func(error)) {
		if banned(h, name, user) {
			done(nil) // the caller is not told: a ban is between the user and the moderators
			return
		}
		declines(h.Engine(), user, name, call.Author().User, func(declined bool, err error) {
			if err != nil || declined {
				done(err) // nor that somebody does not want to hear of it
				return
			}
			c.inviteOne(call, name, user, data, done)
		})
	}, done)
}

// banned tells whether an invitation is for nobody. A user who is banned everywhere is
// put on a private room's roster all the same: whoever made the room sees the roster,
// and is not told of other bans than the room's.
func banned(h *room.Hub, name, user string) bool {
	if kindOf(name) == kindPrivate {
		return h.Struck(name, user)
	}
	return h.Banned(name, user)
}

func (c *Chat) inviteOne(call *room.Call, name, user string, data []byte, done func(error)) {
	h := call.Hub
	notice := map[string]string{room.TagEvent: eventInvite, tagRoom: name, tagBy: call.Author().User}
	if kindOf(name) != kindPrivate {
		tell(h, call.Payer(), user, notice, data)
		done(nil)
		return
	}
	enroll(h, call.State(), name, user, "", maxGiven, func(isNew bool, err error) {
		if err != nil || !isNew {
			done(err)
			return
		}
		tell(h, call.Payer(), user, notice, data)
		happened(call, name, eventJoin, user, done)
	})
}

func checkUsers(users []string) error {
	if len(users) > maxInvited {
		return wire.Explain(wire.ErrBadRequest, fmt.Sprintf("bad request: %d users at most in one call", maxInvited))
	}
	if slices.ContainsFunc(users, func(u string) bool { return u == "" || wire.CheckRoomName(room.PersonalRoom(u)) != nil }) {
		return wire.Explain(wire.ErrBadRequest, "bad request: that is no user")
	}
	return nil
}
