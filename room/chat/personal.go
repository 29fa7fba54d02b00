package chat

import (
	"context"

	"webim/room"
	"webim/room/budget"
	"webim/room/chat/messages"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
)

// maxNotified limits the rosters for which a message is announced in each user's personal room,
// because each announcement is a publication.
const maxNotified = 100

// FollowUp implements room.Config.FollowUp. The work that follows a message tells the users that have the
// room in their lists about it. A direct message also puts the room into the lists of both users.
func FollowUp(h *room.Hub, name string, at engine.Position, m engine.Message) (followUp func(context.Context)) {
	if m.Tags[engine.TagEvent] != "" || m.From == nil {
		return nil
	}
	n := notice{h, name, at, m.From.User, m.Payer}
	switch listed := h.Shares().RosterSize(name); {
	case policy.IsDirect(name):
		return n.direct
	case listed > 0 && listed <= maxNotified:
		return n.roster
	}
	return nil
}

// notice is the data of an event that tells a user about a message.
type notice struct {
	hub    *room.Hub
	room   string
	at     engine.Position
	author string
	payer  budget.Owner
}

func (n notice) tell(user string) {
	tell(n.hub, n.payer, user, map[string]string{engine.TagEvent: eventMsg, tagRoom: n.room, tagOffset: messages.Number(n.at.Offset), tagBy: n.author}, nil)
}

// roster tells the users on the room's roster. If it cannot be read, they are not told: the message
// itself reaches whoever is in the room.
func (n notice) roster(ctx context.Context) {
	all, err := serverStore(n.hub).List(ctx, engine.TableMember, n.room, "", maxNotified+1)
	if err != nil || len(all) > maxNotified {
		return
	}
	for _, e := range all {
		if e.Name != n.author {
			n.tell(e.Name)
		}
	}
}

// direct puts a direct room into the lists of both users, and tells the other one. If the author
// cannot list the room, it must not fill the other user's list.
func (n notice) direct(ctx context.Context) {
	other := otherIn(n.room, n.author)
	defer n.tell(other)
	s := store.New(n.hub.Shares().StateOf(n.payer))
	if _, err := enroll(ctx, n.hub, s, n.room, n.author, "", maxMine); err != nil {
		return
	}
	if isNew, _ := enroll(ctx, n.hub, s, n.room, other, "", maxGiven); isNew {
		keepName(ctx, n.hub, s, n.room, n.author, other)
	}
}
