package chat

import (
	"context"
	"strings"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/token"
)

type inviteRequest struct {
	inRoom
	User string `json:"user"`
}

// invite sends a user an invitation to a room. If the room is private, it puts the user on the
// roster.
func (c *Chat) invite(ctx context.Context, call *rpc.Call, q *inviteRequest) (empty, error) {
	if _, err := named(call); err != nil {
		return empty{}, err
	}
	if err := may(call, policy.ActInvite, q.Room); err != nil {
		return empty{}, err
	}
	if err := checkUsers([]string{q.User}); err != nil {
		return empty{}, err
	}
	if strings.HasPrefix(q.Room, "#") {
		return empty{}, badRequest("nobody else can be in that room")
	}
	if err := c.invitations.Take(call.Payer(), q.User); err != nil {
		return empty{}, err
	}
	set, _, err := settingsOf(ctx, serverStore(call.Hub), q.Room)
	if err != nil {
		return empty{}, err
	}
	return empty{}, inviteAll(ctx, call, q.Room, set.Title, []string{q.User})
}

// inviteAll sends invitations to users, except those that the room bans or that decline them. The
// caller does not learn which: a ban concerns only the user and the moderators.
func inviteAll(ctx context.Context, call *rpc.Call, name, title string, users []string) error {
	data, err := json.Marshal(map[string]string{"title": title})
	if err != nil {
		return err
	}
	for _, user := range users {
		if banned(call.Hub, name, user) {
			continue
		}
		declined, err := declines(ctx, store.New(call.State()), user, name, call.Author().User)
		if err != nil {
			return err
		}
		if declined {
			continue
		}
		if err := inviteOne(ctx, call, name, user, data); err != nil {
			return err
		}
	}
	return nil
}

// banned reports whether an invitation is dropped because of a ban. In a private room only the
// room's own bans count, and a user that is banned everywhere still gets on the roster: the owner of
// the room sees the roster and must not learn of other bans.
func banned(h *room.Hub, name, user string) bool {
	who := &token.Identity{User: user} // not an admin, as far as the server knows
	if kindOf(name) == kindPrivate {
		return h.BanBinds(name, who)
	}
	return h.Judge().IsBanned(policy.Subject{Who: who}, name)
}

func inviteOne(ctx context.Context, call *rpc.Call, name, user string, data []byte) error {
	event := map[string]string{engine.TagEvent: eventInvite, tagRoom: name, tagBy: call.Author().User}
	if kindOf(name) != kindPrivate {
		tell(call.Hub, call.Payer(), user, event, data)
		return nil
	}
	isNew, err := enroll(ctx, call.Hub, store.New(call.State()), name, user, "", maxGiven)
	if err != nil || !isNew {
		return err
	}
	tell(call.Hub, call.Payer(), user, event, data)
	return publishRoster(call, name, eventJoin, user)
}
