package chat

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/natstest"
	"webim/room/policy"
)

// The tests in this file run the calls on the engine that is the default, and on two nodes.

// nodes are engines on one embedded store.
func nodes(t testing.TB, n int, keep engine.Retention) (all []engine.Engine) {
	t.Helper()
	s := natstest.Start(t, t.TempDir())
	for range n {
		e, err := jetstream.Open(t.Context(), jetstream.Config{Connect: s.Connect, Log: slog.New(slog.DiscardHandler), Keep: func(string) engine.Retention { return keep }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		all = append(all, e)
	}
	return all
}

// TestOnNATS runs tests of this package that do not depend on the offsets of the memory engine.
func TestOnNATS(t *testing.T) {
	was := newEngine
	defer func() { newEngine = was }()
	newEngine = func(t testing.TB) engine.Engine { return nodes(t, 1, talkative().History)[0] }
	for name, test := range map[string]func(*testing.T){
		"EventsNeedARight": TestEventsNeedARight, "MutedSayNothingAround": TestMutedSayNothingAround,
		"MembersPages": TestMembersPages, "PrivateRoomsAreClosed": TestPrivateRoomsAreClosed, "MessagesFitIntoReplies": TestMessagesFitIntoReplies,
		"RoomBan": TestRoomBan, "BanEverywhere": TestBanEverywhere, "MuteLockSlow": TestMuteLockSlow, "Kick": TestKick, "WhoModerates": TestWhoModerates,
		"MarksGrow": TestMarksGrow, "PersonalRoomIsRecovered": TestPersonalRoomIsRecovered, "SyncAfterAWeek": TestSyncAfterAWeek,
		"SyncNeedsRights": TestSyncNeedsRights, "SyncFitsIntoReplies": TestSyncFitsIntoReplies, "DeletedTextIsGone": TestDeletedTextIsGone,
		"SendIsIdempotent": TestSendIsIdempotent, "TextLimits": TestTextLimits, "TalkRightsTable": TestTalkRightsTable, "RetryWithoutTheRight": TestRetryWithoutTheRight,
		"ManyEditsOfAMessage": TestManyEditsOfAMessage, "PagesOfEventsEnd": TestPagesOfEventsEnd, "WhoHasLeftIsNotMet": TestWhoHasLeftIsNotMet,
		"NamesComeWithTheList": TestNamesComeWithTheList, "OwnersAreAbove": TestOwnersAreAbove, "DeclineForGood": TestDeclineForGood,
		"Erase": TestErase, "EditMeetsDeletion": TestEditMeetsDeletion,
	} {
		t.Run(name, test)
	}
}

// TestTwoNodes lets two people on two nodes talk in a private room: everything that one of them does, the other one is
// told, and finds when asking.
func TestTwoNodes(t *testing.T) {
	both := nodes(t, 2, talkative().History)
	alice, bob := build(t, room.Config{Engine: both[0]}).come("alice"), build(t, room.Config{Engine: both[1]}).come("bob")
	name := alice.create("Club", "bob")
	if got := bob.nextIn("#bob"); !strings.Contains(got, `{"title":"Club"} by=alice event=invite room=`+name) {
		t.Errorf("bob is told %s", got)
	}
	alice.join(name)
	bob.join(name)
	in := func(p *person, method, format string, args ...any) string {
		t.Helper()
		return p.must(method, fmt.Sprintf(`{"room":%q`+format+`}`, append([]any{name}, args...)...))
	}
	tells := func(parts ...string) {
		t.Helper()
		got := bob.nextIn(name)
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("bob is told %q, without %q", got, part)
			}
		}
	}
	finds := func(method, format string, parts ...string) {
		t.Helper()
		wstest.Eventually(t, fmt.Sprintf("bob finds %q with %s", parts, method), func() bool {
			got := in(bob, method, format)
			for _, part := range parts {
				if !strings.Contains(got, part) {
					return false
				}
			}
			return true
		})
	}

	in(alice, "typing", "")
	tells("alice {} event=typing")
	var sent sendResult
	if err := json.Unmarshal([]byte(in(alice, "send", `,"data":{"text":"hello"}`)), &sent); err != nil {
		t.Fatal(err)
	}
	at := sent.Offset
	tells(`alice {"text":"hello"}`)
	in(alice, "edit", `,"offset":%d,"data":{"text":"hello, Bob"}`, at)
	tells(`{"text":"hello, Bob"}`, "event=edit", fmt.Sprint("of=", at))
	finds("messages", "", `"text":"hello, Bob"`)
	in(alice, "react", `,"offset":%d,"emoji":"👍"`, at)
	tells("event=react")
	finds("messages", "", `"emoji":"👍"`)
	in(alice, "mark", `,"read":%d`, at)
	tells("event=mark ", fmt.Sprint("read=", at))
	finds("marks", "", fmt.Sprintf(`{"user":"alice","read":%d`, at))
	in(alice, "room.set", `,"title":"The club"`)
	tells("event=room")
	finds("room.info", "", `"title":"The club"`)
	in(alice, "delete", `,"offset":%d`, at)
	tells("event=delete", fmt.Sprint("of=", at))
	finds("messages", "", `"deleted":true`)
	if got := in(bob, "messages", ""); strings.Contains(got, "hello") {
		t.Errorf("a deleted text is shown: %s", got)
	}
	finds("members", "", `"user":"alice","info":{"name":"ALICE"},"online":true,"role":"owner"`, `"user":"bob"`)
	in(alice, "room.leave", "")
	fault := ""
	t.Cleanup(func() { t.Log("the last answer to bob:", fault) })
	wstest.Eventually(t, "bob is the owner", func() bool {
		_, fault = bob.call("room.set", fmt.Sprintf(`{"room":%q,"slow":1}`, name))
		return fault == ""
	})
}

// TestSyncOnAnotherNode checks that a device that was away, and comes back on another node, learns everything with one call,
// also of a room that has forgotten what the device has missed; and that a new device does.
func TestSyncOnAnotherNode(t *testing.T) {
	keep := talkative()
	keep.History.Messages = 5
	options := policy.Patterns{{Match: "*", Options: keep}}.Options
	both := nodes(t, 2, keep.History)
	one, other := build(t, room.Config{Engine: both[0], Options: options}), build(t, room.Config{Engine: both[1], Options: options})
	alice, bob := one.come("alice"), one.come("bob")
	for _, name := range []string{"lobby", "busy", "old"} {
		alice.must("room.join", fmt.Sprintf(`{"room":%q}`, name))
		bob.must("send", fmt.Sprintf(`{"room":%q,"data":{"text":"before"}}`, name))
	}
	d := newDevice(alice)
	d.sync()

	first := where(t, bob.must("messages", `{"room":"lobby","limit":1}`))
	bob.must("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"edited"}}`, first))
	for i := range 20 {
		bob.must("send", fmt.Sprintf(`{"room":"busy","data":{"text":"%d"}}`, i))
	}
	bob.must("send", `{"room":"#alice,bob","data":{"text":"psst"}}`)
	club := bob.create("New", "alice")
	alice.must("room.leave", `{"room":"old"}`)
	bob.must("send", `{"room":"lobby","data":{"text":"last"}}`)

	back := other.come("alice")
	wstest.Eventually(t, "the other node knows alice's rooms", func() bool { // it follows a moment later
		all := back.must("rooms", `{}`)
		return strings.Contains(all, club) && strings.Contains(all, "#alice,bob") && !strings.Contains(all, `"old"`)
	})
	for name, is := range map[string]*device{"the old device": d, "a new device": newDevice(back)} {
		is.p, is.calls = back, 0
		res := is.sync()
		if is.calls != 1 || len(res.Rooms) != 5 || is == d && !slices.Equal(res.Left, []string{"old"}) {
			t.Errorf("%s: %d calls, %d rooms, left %q", name, is.calls, len(res.Rooms), res.Left)
		}
		for _, r := range res.Rooms {
			if r.Room == "busy" && r.Reset != (is == d) || r.Room == "lobby" && r.Reset {
				t.Errorf("%s: reset of %s: %v", name, r.Room, r.Reset)
			}
		}
		for _, name := range []string{"lobby", "busy", "#alice,bob", club} {
			if got, want := is.texts(name), other.plain(name); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
