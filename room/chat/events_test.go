package chat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"webim/room"
	"webim/room/budget"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/guest"
	"webim/room/policy"
	"webim/room/wire"
)

// announcements are rooms in which only the server and admins may send.
func announcements() policy.Options {
	o := talkative()
	o.History = engine.Retention{Messages: 60, Bytes: 64 << 10, Age: time.Hour}
	for _, a := range []policy.Action{policy.ActSend, policy.ActTyping, policy.ActEditOwn, policy.ActDeleteOwn} {
		o.Rights[a] = policy.RoleNobody
	}
	return o
}

// TestEventsNeedARight checks that no call of a user who may not send in a room publishes an event
// there, or pushes a message out of its history.
func TestEventsNeedARight(t *testing.T) {
	g, err := guest.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, room.Config{Guests: g, Options: policy.Patterns{
		{Match: "news", Options: announcements()}, {Match: "*", Options: talkative()}}.Options})
	for i := range 60 {
		for _, name := range []string{"news", "locked", "quiet"} {
			h.hub.Publish(name, engine.Message{Op: engine.OpJSON, Data: fmt.Appendf(nil, `{"text":"announcement %d"}`, i)}, nil)
		}
	}
	root := h.come("root", "admin")
	root.must("room.set", `{"room":"locked","locked":true}`)
	root.must("mute", `{"room":"quiet","user":"mallory"}`)
	for _, mallory := range []*person{h.come("mallory"), h.guest("visit evil.example", "127.0.0.1")} {
		for _, name := range []string{"news", "locked", "quiet"} {
			if name == "quiet" && mallory.name != "mallory" {
				continue // this user is not muted
			}
			before := h.top(name)
			for i := range 50 {
				in := fmt.Sprintf(`{"room":%q`, name)
				mallory.must("room.join", in+"}")
				mallory.must("mark", fmt.Sprintf(`%s,"read":%d}`, in, i+1))
				mallory.must("room.leave", in+"}")
				if _, fault := mallory.call("react", in+`,"offset":60,"emoji":"👍"}`); fault == "" {
					t.Fatalf("%s: a reaction of who may not speak", name)
				}
			}
			if top := h.top(name); top != before {
				t.Errorf("%s: %d events of who may not speak", name, top-before)
			}
		}
	}
	for _, name := range []string{"news", "locked", "quiet"} {
		h.remembers(name, 60)
	}
}

// top returns the offset of a room's newest publication.
func (h *house) top(name string) (top uint64) {
	h.engine().History(name, engine.Span{}, func(got engine.History, _ error) { top = got.Top.Offset })
	return top
}

// remembers checks the number of messages in a room's history.
func (h *house) remembers(name string, want int) {
	h.t.Helper()
	h.engine().History(name, engine.Span{Limit: -1}, func(got engine.History, _ error) {
		if n := len(messages.Fold(got.Publications)); n != want {
			h.t.Errorf("%s remembers %d messages, want %d", name, n, want)
		}
	})
}

// TestEventsOfSpeakers checks that even users who may send can push messages of others out of the
// history only by sending messages.
func TestEventsOfSpeakers(t *testing.T) {
	few := talkative()
	few.History.Messages, few.History.Bytes = 40, 1<<20
	h := build(t, room.Config{Options: policy.Patterns{{Match: "*", Options: few}}.Options})
	alice, bob := h.come("alice"), h.come("bob")
	for i := range 40 {
		alice.must("send", fmt.Sprintf(`{"room":"lobby","data":{"text":"%d"}}`, i))
	}
	emoji := []string{"👍", "🎉", "🚀", "👀"}
	for i := range 50 {
		bob.must("room.join", `{"room":"lobby"}`)
		bob.must("mark", fmt.Sprintf(`{"room":"lobby","read":%d}`, i+1))
		bob.must("room.leave", `{"room":"lobby"}`)
		bob.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":%q,"remove":%v}`, 1+i%40, emoji[i%4], i%3 == 0))
	}
	h.remembers("lobby", 40)
}

// TestReactionsOutliveTheirEvents checks that the call messages still returns a reaction after the
// history has lost its event.
func TestReactionsOutliveTheirEvents(t *testing.T) {
	few := talkative()
	few.History.Messages = 10
	e := memory.New(memory.Limits{})
	h := build(t, room.Config{Engine: e, Options: policy.Patterns{{Match: "*", Options: few}}.Options})
	alice := h.come("alice")
	alice.must("send", `{"room":"lobby","data":{"text":"hi"}}`)
	alice.must("send", `{"room":"lobby","data":{"text":"ho"}}`)
	for i := range 30 {
		p := h.come(fmt.Sprintf("user%02d", i))
		p.must("react", `{"room":"lobby","offset":1,"emoji":"👍"}`)
		p.must("react", `{"room":"lobby","offset":1,"emoji":"👍"}`)
		p.Close()
	}
	h.engine().History("lobby", engine.Span{Limit: -1}, func(got engine.History, _ error) {
		if n := len(got.Publications); n > 2+10 {
			t.Fatalf("%d publications are remembered", n)
		}
	})
	got := alice.must("messages", `{"room":"lobby"}`)
	if !strings.Contains(got, `"emoji":"👍"`) || !strings.Contains(got, `"count":30`) || strings.Count(got, "reactions") != 1 {
		t.Errorf("messages: %s", got)
	}
	held := e.Stats().State
	alice.must("delete", `{"room":"lobby","offset":1}`)
	if got := alice.must("messages", `{"room":"lobby"}`); strings.Contains(got, "reactions") {
		t.Errorf("after it is taken back: %s", got)
	}
	if now := e.Stats().State; now != 0 || held == 0 {
		t.Errorf("reactions to a message that is gone take %d of %d bytes", now, held)
	}
	// New reactions remove the reactions to forgotten messages.
	for i := range 100 {
		alice.must("send", fmt.Sprintf(`{"room":"lobby","data":{"text":"%d"}}`, i))
		alice.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"🎉"}`, h.top("lobby")))
	}
	if now := e.Stats().State; now > 30*400 {
		t.Errorf("100 reactions, of which ten are to messages that are there, take %d bytes", now)
	}
}

// TestReadingIsCharged checks that reading reactions, rosters and presences is charged as the bytes
// of a history are, and that nothing else is read on credit.
func TestReadingIsCharged(t *testing.T) {
	few := policy.Rates{Recovered: budget.Rate{N: 2000, Per: time.Hour}}
	for _, method := range []string{"messages", "members"} {
		t.Run(method, func(t *testing.T) {
			o := talkative()
			o.History.Messages = 2 // so that only the reactions are charged, not their events
			h := build(t, room.Config{Rates: few, UserRates: few, Options: policy.Patterns{{Match: "*", Options: o}}.Options})
			alice, bob := h.come("alice"), h.come("bob")
			alice.must(method, `{"room":"lobby"}`)
			alice.must(method, `{"room":"lobby"}`) // the room has little to read
			bob.must("send", `{"room":"lobby","data":{"text":"x"}}`)
			for _, emoji := range strings.Split("👍 👎 😀 😁 😂 😃 😄 😅 😆 😇 😈 😉 😊 😋 😌 😍 😎 😏 😐 😑", " ") {
				bob.must("react", fmt.Sprintf(`{"room":"lobby","offset":1,"emoji":%q}`, emoji))
			}
			for i := range 20 {
				h.come(fmt.Sprint("user ", i)).join("lobby")
			}
			alice.must(method, `{"room":"lobby"}`)
			alice.refused(wire.ErrTooManyRequests, method, `{"room":"lobby"}`)
		})
	}
}
