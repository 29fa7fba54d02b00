package chat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

type inviteRequest struct {
	inRoom
	User string `json:"user"`
}

// invite sends a user an invitation to a room. If the room is private, it puts the user on the
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
			done(nil) // the caller must not learn of the ban, which concerns only the user and the moderators
			return
		}
		declines(h.Engine(), user, name, call.Author().User, func(declined bool, err error) {
			if err != nil || declined {
				done(err) // nor that the user declines invitations
				return
			}
			c.inviteOne(call, name, user, data, done)
		})
	}, done)
}

// banned reports whether an invitation is dropped because of a ban. In a private room only the
// room's own bans count, and a user that is banned everywhere still gets on the roster: the owner of
// the room sees the roster and must not learn of other bans.
func banned(h *room.Hub, name, user string) bool {
	if kindOf(name) == kindPrivate {
		return h.Struck(name, user)
	}
	return h.Banned(name, user)
}

func (c *Chat) inviteOne(call *room.Call, name, user string, data []byte, done func(error)) {
	h := call.Hub
	notice := map[string]string{engine.TagEvent: eventInvite, tagRoom: name, tagBy: call.Author().User}
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
