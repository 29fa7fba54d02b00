package chat

import (
	"sync"

	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/wire"
)

// maxNotified limits the rosters for which a message is announced in each user's personal room,
// because each announcement is a publication.
const maxNotified = 100

// tell publishes an event in the user's personal room. If the room does not exist yet, the payer
// pays for it. nil data means {}. Of the events other than messages the history keeps only the last
// one about each room, so many of them do not push out other events.
func tell(h *room.Hub, payer budget.Owner, user string, tags map[string]string, data []byte) {
	name := room.PersonalRoom(user)
	if wire.CheckRoomName(name) != nil {
		return
	}
	if data == nil {
		data = noData
	}
	m := engine.Message{Op: engine.OpJSON, Data: data, Tags: tags, Payer: payer}
	if event := tags[engine.TagEvent]; event != eventMsg {
		m.CompactKey = event + " " + tags[tagRoom] + " " + tags[tagBy]
	}
	h.Publish(name, m, nil)
}

// Said implements room.Config.Said. It tells the users that have the room in their lists about a
// message. A direct message also puts the room into the lists of both users.
func Said(h *room.Hub, name string, at engine.Position, m engine.Message) {
	if m.Tags[engine.TagEvent] != "" || m.From == nil {
		return
	}
	if room.IsDirect(name) {
		saidDirect(h, name, at, m)
		return
	}
	a := newAnnouncement()
	a.hub, a.room, a.at, a.by, a.payer = h, name, at, m.From.User, m.Payer
	h.Engine().List(engine.TableMember, name, "", maxNotified+1, a.read)
}

// saidDirect is Said for a direct message.
func saidDirect(h *room.Hub, name string, at engine.Position, m engine.Message) {
	notice := noticeOf(name, at, m.From.User)
	other := room.UsersOf(name)[0]
	if other == m.From.User {
		other = room.UsersOf(name)[1]
	}
	enroll(h, h.StateOf(m.Payer), name, m.From.User, "", maxMine, func(_ bool, err error) {
		if err != nil {
			tell(h, m.Payer, other, notice, nil) // if the author cannot list the room, it must not fill the other user's list
			return
		}
		enroll(h, h.StateOf(m.Payer), name, other, "", maxGiven, func(isNew bool, _ error) {
			if !isNew {
				tell(h, m.Payer, other, notice, nil)
				return
			}
			keepName(h, h.StateOf(m.Payer), name, m.From.User, other, func() { tell(h, m.Payer, other, notice, nil) })
		})
	})
}

// announcement is a message of which the users who have its room in their lists are told, while the
// engine looks for them. Every message makes one, and hardly any has such users, so they are pooled.
type announcement struct {
	hub   *room.Hub
	room  string
	at    engine.Position
	by    string
	payer budget.Owner
	read  func([]engine.Entry, error) // the method tell as a value: making that allocates
}

var announcementPool sync.Pool

func newAnnouncement() *announcement {
	a, ok := announcementPool.Get().(*announcement)
	if !ok {
		a = new(announcement)
		a.read = a.tell
	}
	return a
}

// tell tells the users, except the author, and gives the announcement back.
func (a *announcement) tell(all []engine.Entry, err error) {
	one := *a
	*a = announcement{read: a.read}
	announcementPool.Put(a)
	if err != nil || len(all) == 0 || len(all) > maxNotified {
		return
	}
	notice := noticeOf(one.room, one.at, one.by)
	for _, e := range all {
		if e.Name != one.by {
			tell(one.hub, one.payer, e.Name, notice, nil)
		}
	}
}

// noticeOf returns the tags that tell a user about a message in a room.
func noticeOf(name string, at engine.Position, by string) map[string]string {
	return map[string]string{engine.TagEvent: eventMsg, tagRoom: name, tagOffset: number(at.Offset), tagBy: by}
}
