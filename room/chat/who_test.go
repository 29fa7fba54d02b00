package chat

import (
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/guest"
	"webim/room/policy"
	"webim/room/wire"
)

// withPresence are rooms that offer presence, as are personal rooms.
func withPresence(on bool) room.Config {
	o := talkative()
	o.Presence = on
	return room.Config{Options: policy.Patterns{{Match: "*", Options: o}, {Match: "#*", Options: o}, {Match: "$*", Options: o}}.Options}
}

// TestNamesComeWithTheList checks that the list names the other user of a direct room, online or
// away, before that user has sent anything, but not a user who takes no part in the room. Otherwise
// anybody could find out which user has an id, and when that user is online.
func TestNamesComeWithTheList(t *testing.T) {
	h := build(t, withPresence(true))
	alice, bob := h.come("alice"), h.come("bob")
	alice.must("room.direct", `{"user":"bob"}`)
	if got := alice.must("rooms", `{}`); !strings.Contains(got, `"with":{"user":"bob"}`) {
		t.Errorf("bob does not list the room: %s", got)
	}
	alice.must("send", `{"room":"#alice,bob","data":{"text":"hello"}}`) // this puts the room into both lists
	if got := alice.must("rooms", `{}`); !strings.Contains(got, `"with":{"user":"bob","info":{"name":"BOB"},"online":true}`) {
		t.Errorf("bob is there: %s", got)
	}
	bob.Close()
	wstest.Eventually(t, "the one who is away has a name", func() bool {
		got := alice.must("rooms", `{}`)
		return strings.Contains(got, `"with":{"user":"bob","info":{"name":"BOB"},"online":false}`)
	})
	alice.must("room.direct", `{"user":"nobody"}`)
	if got := alice.must("rooms", `{}`); !strings.Contains(got, `"with":{"user":"nobody"}`) {
		t.Errorf("a user who was never here has no name: %s", got)
	}
}

// TestWhoHasLeftIsNotMet checks that the list tells only the messages of a user who has left a
// direct room, or declines the room or the other user. Moderators of all rooms may see everybody,
// as they may in the live picture.
func TestWhoHasLeftIsNotMet(t *testing.T) {
	h := build(t, withPresence(true))
	alice, bob := h.come("alice"), h.come("bob")
	met := func() bool { return strings.Contains(alice.must("rooms", `{}`), `"online":true`) }
	said := func() { alice.must("send", `{"room":"#alice,bob","data":{"text":"hello"}}`) }
	if said(); !met() {
		t.Fatal("bob shares the room, and is not met")
	}
	for _, c := range []struct{ call, data, undo string }{
		{"room.leave", `{"room":"#alice,bob"}`, ""},
		{"room.decline", `{"room":"#alice,bob"}`, `{"room":"#alice,bob","undo":true}`},
		{"room.decline", `{"user":"alice"}`, `{"user":"alice","undo":true}`},
	} {
		if bob.must(c.call, c.data); met() {
			t.Errorf("%s %s: bob is met all the same", c.call, c.data)
		}
		if c.undo == "" {
			said() // puts the room into both lists again
		} else {
			bob.must(c.call, c.undo)
		}
		if !met() {
			t.Errorf("%s %s, taken back: bob is not met", c.call, c.data)
		}
	}
	carol := h.come("carol", "moderator")
	carol.must("room.direct", `{"user":"bob"}`)
	if got := carol.must("rooms", `{}`); !strings.Contains(got, `"with":{"user":"bob","info":{"name":"BOB"},"online":true}`) {
		t.Errorf("a moderator of all rooms: %s", got)
	}
}

// TestMembersWhoAreAway checks that a private room has the names of users who are away.
func TestMembersWhoAreAway(t *testing.T) {
	h := build(t, withPresence(true))
	alice, bob := h.come("alice"), h.come("bob")
	name := between(alice.must("room.create", `{"title":"T","users":["bob"]}`), `"room":"`, `"`)
	alice.join(name)
	bob.Close()
	wstest.Eventually(t, "the one who is away has a name", func() bool {
		got := alice.must("members", `{"room":"`+name+`"}`)
		return strings.Contains(got, `{"user":"bob","info":{"name":"BOB"},"online":false}`)
	})
}

// TestUnknownIsNotAway checks that nobody is said to be offline in a room without presence.
func TestUnknownIsNotAway(t *testing.T) {
	for _, on := range []bool{false, true} {
		h := build(t, withPresence(on))
		alice := h.come("alice")
		alice.must("room.join", `{"room":"lobby"}`)
		got := alice.must("members", `{"room":"lobby"}`)
		if strings.Contains(got, `"online"`) != on || strings.Contains(got, `"here"`) != on {
			t.Errorf("presence %v: %s", on, got)
		}
	}
}

// TestSanctionsSayWhy checks that muted and banned users are told the reason and the end.
func TestSanctionsSayWhy(t *testing.T) {
	for _, where := range []string{"", "lobby"} {
		h := build(t, room.Config{})
		bob, carol := h.come("bob"), h.come("carol", "admin")
		carol.must("mute", `{"room":"`+where+`","user":"bob","seconds":3600,"reason":"shouting"}`)
		if got := bob.must("room.info", `{"room":"lobby"}`); !strings.Contains(got, `"muted_why":"muted until 2`) || !strings.Contains(got, `: shouting"`) {
			t.Errorf("in room %q: %s", where, got)
		}
	}
	h := build(t, room.Config{})
	bob, carol := h.come("bob"), h.come("carol", "admin")
	carol.must("ban", `{"room":"lobby","user":"bob","reason":"spam: again"}`)
	bob.refused(wire.ErrBanned, "room.info", `{"room":"lobby"}`)
	if _, fault := bob.call("room.info", `{"room":"lobby"}`); !strings.HasSuffix(fault, "banned: spam: again") {
		t.Errorf("the banned are told %q", fault)
	}
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

// TestMarksOfGuests checks that the marks of guests, who are on no roster of a public room, are
// returned while the guests are present.
func TestMarksOfGuests(t *testing.T) {
	rc := withPresence(true)
	guests, err := guest.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	rc.Guests = guests
	h := build(t, rc)
	guest, bob := h.guest("Gus", "127.0.0.1"), h.come("bob")
	bob.must("room.join", `{"room":"lobby"}`)
	bob.must("send", `{"room":"lobby","data":{"text":"hello"}}`)
	guest.join("lobby")
	guest.must("mark", `{"room":"lobby","read":1}`)
	if got := bob.must("marks", `{"room":"lobby"}`); !strings.Contains(got, `{"user":"guest:`) || !strings.Contains(got, `"read":1`) {
		t.Errorf("marks: %s", got)
	}
	guest.Close()
	wstest.Eventually(t, "the guest is gone, and its mark is not told", func() bool {
		return !strings.Contains(bob.must("marks", `{"room":"lobby"}`), "guest:")
	})
}
