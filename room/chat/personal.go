package chat

import (
	"webim/room"
	"webim/room/wire"
)

// maxNotified is the most users on a room's roster of whom each is told in her
// own room what is said there; that is a publication for each.
const maxNotified = 100

// tell puts something for a user into her own room; nil data: {}.
func tell(h *room.Hub, user string, tags map[string]string, data []byte) {
	name := room.PersonalRoom(user)
	if wire.CheckRoomName(name) != nil {
		return
	}
	if data == nil {
		data = noData
	}
	h.Publish(name, room.Message{Op: room.OpJSON, Data: data, Tags: tags}, nil)
}

// Said implements room.Config.Said: those who have a room in their lists learn
// of messages there. A direct message puts the room in both lists.
func Said(h *room.Hub, name string, at room.Position, m room.Message) {
	if m.Tags[room.TagEvent] != "" || m.From == nil {
		return
	}
	notice := map[string]string{room.TagEvent: eventMsg, tagRoom: name, tagOffset: number(at.Offset), tagBy: m.From.User}
	if room.IsDirect(name) {
		other := room.UsersOf(name)[0]
		if other == m.From.User {
			other = room.UsersOf(name)[1]
		}
		enroll(h.Engine(), name, m.From.User, "", maxMine, func(_ bool, err error) {
			if err != nil {
				tell(h, other, notice, nil) // who cannot list it does not fill the other's list
				return
			}
			enroll(h.Engine(), name, other, "", maxGiven, func(bool, error) { tell(h, other, notice, nil) })
		})
		return
	}
	h.Engine().List(room.TableMember, name, "", maxNotified+1, func(all []room.Entry, err error) {
		if err != nil || len(all) > maxNotified {
			return
		}
		for _, e := range all {
			if e.Name != m.From.User {
				tell(h, e.Name, notice, nil)
			}
		}
	})
}
