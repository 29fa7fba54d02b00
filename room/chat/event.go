package chat

import (
	"webim/room"
	"webim/room/budget"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// Events about rooms, and their tags.
const (
	eventRoom   = "room"
	eventJoin   = "join"
	eventLeave  = "leave"
	eventInvite = "invite"
	eventRooms  = "rooms"
	eventMark   = "mark"
	eventMsg    = "message"

	tagRoom   = "room"
	tagUser   = "user"
	tagBy     = "by"
	tagOffset = "offset"
)

// tell publishes an event in the user's personal room. If the room does not exist yet, the payer
// pays for it. nil data means {}. Of the events other than messages the history keeps only the last
// one about each room, so many of them do not push out other events.
func tell(h *room.Hub, payer budget.Owner, user string, tags map[string]string, data []byte) {
	name := policy.PersonalRoom(user)
	if wire.CheckRoomName(name) != nil {
		return
	}
	if data == nil {
		data = messages.NoData
	}
	m := engine.Message{Op: engine.OpJSON, Data: data, Tags: tags, Payer: payer}
	if event := tags[engine.TagEvent]; event != eventMsg {
		m.CompactKey = event + " " + tags[tagRoom] + " " + tags[tagBy]
	}
	h.Publish(name, m, nil)
}

// tellList tells the user of a call that the user's list of rooms has changed by a room.
func tellList(call *rpc.Call, user, name string) {
	tell(call.Hub, call.Payer(), user, map[string]string{engine.TagEvent: eventRooms, tagRoom: name}, nil)
}

// publishRoster publishes that a user has joined or left a room's roster.
func publishRoster(call *rpc.Call, name, event, user string) error {
	return announce(call, room.SessionMessage{Room: name, CompactKey: "roster " + user, Tags: map[string]string{engine.TagEvent: event, tagUser: user}})
}

// announce publishes an event that the caller causes without writing anything. The event bears the
// caller's name and replaces earlier events, so it is only published if the caller may send
// messages in the room. Otherwise announce publishes nothing, which is not an error.
func announce(call *rpc.Call, event room.SessionMessage) error {
	if call.Judge(policy.ActSend, event.Room).Outcome == policy.Deny {
		return nil
	}
	event.Data, event.Event = messages.NoData, true
	_, err := call.Publish(event)
	return err
}
