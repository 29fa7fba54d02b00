package chat

import (
	"context"
	"errors"
	"time"

	"webim/room/await"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/rpc"
	"webim/room/wire"
)

// sanctionOf looks up the mute or ban that binds the caller: the one that holds everywhere, or else
// the one in the room. It only finds one that names the user. there is false if there is none.
func sanctionOf(ctx context.Context, call *rpc.Call, table, name string) (s moderation.Sanction, there bool) {
	user := call.Author().User
	if user == "" {
		return s, false
	}
	for _, where := range []string{"", name} {
		err := await.Error(ctx, func(done func(error)) {
			call.Hub.SanctionOf(table, where, user, func(is moderation.Sanction, ok bool) {
				s, there = is, ok
				done(nil)
			})
		})
		if err != nil || there {
			return s, there && err == nil
		}
	}
	return s, false
}

// sentence describes a ban or mute: done says which, followed by the end and the reason, if there
// are any.
func sentence(done string, s moderation.Sanction) string {
	if !s.Until.IsZero() {
		done += " until " + s.Until.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		done += ": " + s.Reason
	}
	return done
}

// explainBan adds to an error that refuses a banned user until when and why the user is banned.
func explainBan(ctx context.Context, call *rpc.Call, name string, err error) error {
	if !errors.Is(err, wire.ErrBanned) {
		return err
	}
	if s, there := sanctionOf(ctx, call, engine.TableBan, name); there {
		return wire.Explain(wire.ErrBanned, sentence("banned", s))
	}
	return err
}
