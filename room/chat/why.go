package chat

import (
	"errors"
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// why looks up the mute or ban that binds the caller: the one that holds everywhere, or else the
// one in the room. It only finds one that names the user. there is false if there is none.
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

// sentence describes a ban or mute: done says which, followed by the end and the reason, if there
// are any.
func sentence(done string, s room.Sanction) string {
	if !s.Until.IsZero() {
		done += " until " + s.Until.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		done += ": " + s.Reason
	}
	return done
}

// refuseInfo ends room.info with an error. A banned user is told until when and why.
func refuseInfo(call *room.Call, name string, err error) {
	if !errors.Is(err, wire.ErrBanned) {
		call.Done(nil, err)
		return
	}
	why(call, engine.TableBan, name, func(s room.Sanction, there bool) {
		if there {
			err = wire.Explain(wire.ErrBanned, sentence("banned", s))
		}
		call.Done(nil, err)
	})
}
