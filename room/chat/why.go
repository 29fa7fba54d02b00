package chat

import (
	"errors"
	"time"

	"webim/room"
	"webim/room/wire"
)

// why tells a user for what reason, and until when, a mute or a ban binds the user:
// the one everywhere, else the one in the room. there: one is known by the user's name.
func why(call *room.Call, table, name string, done func(s room.Sanction, there bool)) {
	user := call.Author().User
	if user == "" {
		done(room.Sanction{}, false)
		return
	}
	call.Hub.SanctionOf(table, "", user, func(s room.Sanction, there bool) {
		if there {
			done(s, true)
			return
		}
		call.Hub.SanctionOf(table, name, user, done)
	})
}

// sentence is what a sanction says: what was done, until when, and the reason.
func sentence(done string, s room.Sanction) string {
	if !s.Until.IsZero() {
		done += " until " + s.Until.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		done += ": " + s.Reason
	}
	return done
}

// refuseInfo refuses room.info. A banned user learns why.
func refuseInfo(call *room.Call, name string, err error) {
	if !errors.Is(err, wire.ErrBanned) {
		call.Done(nil, err)
		return
	}
	why(call, room.TableBan, name, func(s room.Sanction, there bool) {
		if there {
			err = wire.Explain(wire.ErrBanned, sentence("banned", s))
		}
		call.Done(nil, err)
	})
}
