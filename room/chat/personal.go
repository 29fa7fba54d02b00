package chat

import (
	"webim/room"
	"webim/room/budget"
	"webim/room/wire"
)

// maxNotified is the most users on a room's roster of whom each is told in her
// own room what is said there; that is a publication for each.
const maxNotified = 100

// tell puts an event for a user into the user's own room. The payer pays for that
// room if it is not known yet. Nil data is {}. Of the events that are no messages the
// last one about a room says all, so a flood of them takes no other's place.
func tell(h *room.Hub, payer budget.Owner, user string, tags map[string]string, data []byte) {
	name := room.PersonalRoom(user)
	if wire.CheckRoomName(name) != nil {
		return
	}
	if data == nil {
		data = noData
	}
	m := room.Message{Op: room.OpJSON, Data: data, Tags: tags, Payer: payer}
	if event := tags[room.TagEvent]; event != eventMsg {
		m.CompactKey = event + " " + tags[tagRoom] + " " + tags[tagBy]
	}
	h.Publish(name, m, nil)
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
		enroll(h, h.StateOf(m.Payer), name, m.From.User, "", maxMine, func(_ bool, err error) {
			if err != nil {
				tell(h, m.Payer, other, notice, nil) // who cannot list it does not fill the other's list
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
		return
	}
	h.Engine().List(room.TableMember, name, "", maxNotified+1, func(all []room.Entry, err error) {
		if err != nil || len(all) > maxNotified {
			return
		}
		for _, e := range all {
			if e.Name != m.From.User {
				tell(h, m.Payer, e.Name, notice, nil)
			}
		}
	})
}
