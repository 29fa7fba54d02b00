package chat

import (
	"fmt"
	"strings"
	"testing"

	"webim/room"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/wire"
)

// TestBannedMayNothing checks that a user who is banned in a room can do nothing there, even if the
// rights let everybody talk without joining, and that other rooms are not affected.
func TestBannedMayNothing(t *testing.T) {
	for way, ban := range map[string]moderation.Sanction{
		"user":    {Table: engine.TableBan, Room: "lobby", Who: "bob"},
		"network": {Table: engine.TableBanIP, Room: "lobby", Who: "127.0.0.0/8"},
	} {
		t.Run(way, func(t *testing.T) {
			h := build(t, room.Config{})
			bob := h.come("bob")
			bob.must("send", `{"room":"lobby","data":{"text":"first"}}`)
			bob.must("room.join", `{"room":"lobby"}`)
			h.hub.Impose(ban, nil, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
			before := len(h.texts("lobby"))
			for call, more := range map[string]string{
				"send": `,"data":{"text":"x"}`, "edit": `,"offset":1,"data":{"text":"x"}`, "delete": `,"offset":1`,
				"react": `,"offset":1,"emoji":"👍"`, "typing": ``, "mark": `,"read":1`, "marks": ``, "messages": ``, "members": ``,
				"room.join": ``, "room.info": ``, "room.invite": `,"user":"carol"`, "room.create": `,"title":"T"`,
			} {
				bob.refused(wire.ErrBanned, call, `{"room":"lobby"`+more+`}`)
			}
			_, published := bob.Publish(t.Context(), "lobby", []byte(`{"text":"raw"}`))
			_, read := bob.History(t.Context(), "lobby")
			_, seen := bob.Presence(t.Context(), "lobby")
			_, counted := bob.PresenceStats(t.Context(), "lobby")
			for command, err := range map[string]error{"publish": published, "history": read, "presence": seen, "presence_stats": counted} {
				if err == nil || !strings.HasPrefix(problem(err), fmt.Sprint(uint32(wire.ErrBanned))) {
					t.Errorf("%s: %v, want %d", command, err, wire.ErrBanned)
				}
			}
			if got := h.texts("lobby"); len(got) != before {
				t.Errorf("the room has %q", got)
			}
			bob.must("room.leave", `{"room":"lobby"}`)
			bob.must("send", `{"room":"other","data":{"text":"elsewhere"}}`)
			bob.expectList()
		})
	}
}
