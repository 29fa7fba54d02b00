package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/centrifuge-go"

	"webim/room"
	"webim/room/chat/invitations"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/moderation"
	"webim/room/wire"
)

// made returns the name of the room that a call has made.
func made(t *testing.T, result string) string {
	t.Helper()
	var r struct{ Room string }
	if err := json.Unmarshal([]byte(result), &r); err != nil || r.Room == "" {
		t.Fatalf("%s: %v", result, err)
	}
	return r.Room
}

// TestBannedByAddressInAPrivateRoom checks that, until the ban is lifted, neither the list of rooms
// nor a call tells anything about the room.
func TestBannedByAddressInAPrivateRoom(t *testing.T) {
	h := build(t, room.Config{})
	owner, bob := h.come("owner"), h.come("bob")
	name := made(t, owner.must("room.create", `{"title":"secret","users":["bob"]}`))
	owner.join(name)
	bob.join(name)
	impose := func(do func(moderation.Sanction, *engine.Author, func(error))) {
		t.Helper()
		failed := make(chan error, 1)
		do(moderation.Sanction{Table: engine.TableBanIP, Room: name, Who: "127.0.0.1", Over: true}, nil, func(err error) { failed <- err })
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	impose(h.hub.Impose)
	h.hub.Publish(name, engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"said after the ban"}`), From: &engine.Author{User: "owner", Client: "c"}}, nil)
	if got := bob.must("rooms", `{}`); strings.Contains(got, "said after") || strings.Contains(got, name) {
		t.Errorf("rooms: %s", got)
	}
	for _, method := range []string{"messages", "room.info", "members", "marks", "mark", "typing", "room.join", "send"} {
		body := fmt.Sprintf(`{"room":%q}`, name)
		if method == "send" {
			body = fmt.Sprintf(`{"room":%q,"data":{}}`, name)
		}
		if _, fault := bob.call(method, body); !strings.HasPrefix(fault, "443") && !strings.HasPrefix(fault, "103") {
			t.Errorf("%s: %q", method, fault)
		}
	}
	impose(h.hub.Lift)
	if got := bob.must("rooms", `{}`); !strings.Contains(got, name) {
		t.Errorf("rooms after the ban: %s", got)
	}
}

// TestMutedSetNoTitles checks that muted users cannot set titles in rooms of their own, whether the
// mute is everywhere or there. They can still change settings that others do not read.
func TestMutedSetNoTitles(t *testing.T) {
	h := build(t, room.Config{})
	admin, eve := h.come("admin", "admin"), h.come("eve")
	name := made(t, eve.must("room.create", `{"title":"x"}`))
	eve.join(name)
	title, slow := fmt.Sprintf(`{"room":%q,"title":"LOUD"}`, name), fmt.Sprintf(`{"room":%q,"slow":5}`, name)
	admin.must("mute", `{"user":"eve"}`)
	for method, body := range map[string]string{"room.set": title, "room.create": `{"title":"LOUD"}`, "room.invite": fmt.Sprintf(`{"room":%q,"user":"bob"}`, name),
		"typing": fmt.Sprintf(`{"room":%q}`, name), "send": fmt.Sprintf(`{"room":%q,"data":{"text":"LOUD"}}`, name)} {
		if _, fault := eve.call(method, body); !strings.HasPrefix(fault, "440") {
			t.Errorf("%s of a muted owner: %q", method, fault)
		}
	}
	eve.must("room.set", slow)
	admin.must("unmute", `{"user":"eve"}`)
	eve.must("room.set", title)
}

// TestSlowModeCountsEdits checks that an edit counts in slow mode as a message does.
func TestSlowModeCountsEdits(t *testing.T) {
	h := build(t, room.Config{})
	mod, eve := h.come("mod", "admin"), h.come("eve")
	eve.must("send", `{"room":"lobby","data":{"text":"1"}}`)
	mod.must("room.set", `{"room":"lobby","slow":3600}`)
	eve.must("edit", `{"room":"lobby","offset":1,"data":{"text":"2"}}`)
	for method, body := range map[string]string{"edit": `{"room":"lobby","offset":1,"data":{"text":"3"}}`, "send": `{"room":"lobby","data":{"text":"3"}}`} {
		if _, fault := eve.call(method, body); !strings.HasPrefix(fault, "441") {
			t.Errorf("%s right after an edit: %q", method, fault)
		}
	}
	sent := mod.must("send", `{"room":"lobby","data":{"text":"a"}}`)
	mod.must("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"b"}}`, offsetOf(t, sent))) // slow mode does not hold for moderators
}

func offsetOf(t *testing.T, result string) uint64 {
	t.Helper()
	var r struct{ Offset uint64 }
	if err := json.Unmarshal([]byte(result), &r); err != nil {
		t.Fatal(err)
	}
	return r.Offset
}

// TestInvitationsTellNothing checks that an invitation does not reveal whether the user is banned,
// has declined, or exists.
func TestInvitationsTellNothing(t *testing.T) {
	h := build(t, room.Config{})
	mod, eve, dora := h.come("mod", "admin"), h.come("eve"), h.come("dora")
	mod.must("ban", `{"user":"bob"}`)
	mod.must("ban", `{"room":"lobby","user":"carl"}`)
	dora.must("room.decline", `{"user":"eve"}`)
	name := made(t, eve.must("room.create", `{"title":"x"}`))
	eve.join(name)
	for _, room := range []string{"lobby", name} {
		for _, user := range []string{"bob", "carl", "dora", "nobody-of-that-name", "fred"} {
			if got, fault := eve.call("room.invite", fmt.Sprintf(`{"room":%q,"user":%q}`, room, user)); got != "{}" || fault != "" {
				t.Errorf("inviting %s to %s: %s %q", user, room, got, fault)
			}
		}
	}
	if got := eve.must("members", fmt.Sprintf(`{"room":%q}`, name)); strings.Contains(got, "dora") {
		t.Errorf("who has declined is a member: %s", got)
	}
}

// TestInvitationsHaveARate checks the rate of invitations for each pair of users, in all rooms
// together. It is checked before anything else is looked up, so it is the same for a banned user.
func TestInvitationsHaveARate(t *testing.T) {
	h := build(t, room.Config{})
	mod, eve, fay := h.come("mod", "admin"), h.come("eve"), h.come("fay")
	mod.must("ban", `{"user":"banned"}`)
	for _, user := range []string{"bob", "banned"} {
		for i := range invitations.PairRate.N {
			if i%2 == 0 {
				eve.must("room.invite", fmt.Sprintf(`{"room":"lobby","user":%q}`, user))
			} else {
				eve.must("room.create", fmt.Sprintf(`{"title":"x","users":[%q,%q]}`, user, user))
			}
		}
		for method, body := range map[string]string{"room.invite": `{"room":"other","user":%q}`, "room.create": `{"title":"x","users":[%q]}`} {
			if _, fault := eve.call(method, fmt.Sprintf(body, user)); !strings.HasPrefix(fault, "111") {
				t.Errorf("%s of %s above the rate: %q", method, user, fault)
			}
		}
		fay.must("room.invite", fmt.Sprintf(`{"room":"lobby","user":%q}`, user)) // a different pair
	}
	eve.must("room.invite", `{"room":"lobby","user":"carl"}`)
}

// TestDeclineForGood checks that declining a room or a user holds until it is undone, across
// connections, and that the number of declined rooms and users is limited.
func TestDeclineForGood(t *testing.T) {
	h := build(t, room.Config{})
	eve := h.come("eve")
	name := made(t, eve.must("room.create", `{"title":"x","users":["bob"]}`))
	eve.join(name)
	bob := h.come("bob")
	listed := func() bool { return strings.Contains(bob.must("rooms", `{}`), name) }
	if !listed() {
		t.Fatal("bob is not invited")
	}
	bob.must("room.leave", fmt.Sprintf(`{"room":%q,"forever":true}`, name))
	invite := fmt.Sprintf(`{"room":%q,"user":"bob"}`, name)
	eve.must("room.invite", invite)
	if listed() {
		t.Error("who has left for good is put there again")
	}
	bob.must("room.decline", fmt.Sprintf(`{"room":%q,"undo":true}`, name))
	bob.must("room.decline", `{"user":"eve"}`)
	eve.must("room.invite", invite)
	if listed() {
		t.Error("an invitation of a declined user comes")
	}
	bob.must("room.decline", `{"user":"eve","undo":true}`)
	eve.must("room.invite", invite)
	if !listed() {
		t.Error("declining cannot be taken back")
	}
	for _, body := range []string{`{}`, `{"room":"r","user":"u"}`, `{"user":""}`, `{"room":"a\u200b"}`} {
		if _, fault := bob.call("room.decline", body); !strings.HasPrefix(fault, "107") {
			t.Errorf("%s: %q", body, fault)
		}
	}
	if _, fault := h.come("").call("room.decline", `{"room":"r"}`); !strings.HasPrefix(fault, "101") {
		t.Errorf("without a name: %q", fault)
	}
}

// TestOneBadItemFailsNoList checks lists with an invalid item, which an engine may have from
// another server.
func TestOneBadItemFailsNoList(t *testing.T) {
	e := memory.New(memory.Limits{})
	h := build(t, room.Config{Engine: e})
	alice := h.come("alice")
	alice.must("room.join", `{"room":"lobby"}`)
	alice.must("send", `{"room":"lobby","data":{"text":"before"}}`)
	keep := talkative().History
	done := make(chan struct{})
	e.Publish("lobby", engine.Message{Op: engine.OpJSON, Data: []byte(`{"a":1,"a":`), From: &engine.Author{User: "x", Client: "c", ConnInfo: []byte("{")}, Keep: &keep}, func(engine.Position, error) { close(done) })
	<-done
	alice.must("send", `{"room":"lobby","data":{"text":"after"}}`)
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		bob := h.comeAs(enc, "bob")
		if got := bob.must("messages", `{"room":"lobby"}`); !strings.Contains(got, "before") || !strings.Contains(got, "after") {
			t.Errorf("%v: messages: %s", enc, got)
		}
		bob.Close()
	}
	alice.must("rooms", `{}`)
	got, err := alice.History(t.Context(), "lobby", centrifuge.WithHistoryLimit(-1))
	if err != nil || len(got.Publications) < 3 || string(got.Publications[len(got.Publications)-1].Data) != `{"text":"after"}` {
		t.Errorf("history: %+v, %v", got, err)
	}
}
