package chat

import (
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/policy"
	"webim/room/wire"
)

// TestRetryGetsTheFirstAnswer checks that a client that lost the result of send gets it by a retry,
// whatever has since forbidden sending. The retry publishes nothing, and nobody else learns of it.
func TestRetryGetsTheFirstAnswer(t *testing.T) {
	h := build(t, room.Config{Text: policy.TextLimits{Bytes: 100}})
	root, alice, bob := h.come("root", "admin"), h.come("alice"), h.come("bob")
	root.must("send", `{"room":"lobby","data":{"text":"what?"}}`)
	const message = `{"room":"lobby","id":"1","reply":1,"data":{"text":"that"}}`
	first := alice.must("send", message)
	for _, c := range []struct {
		call, data string
		code       wire.ErrorCode // of a new message
		fresh      string
		undo, over string
	}{
		{"delete", `{"room":"lobby","offset":1}`, wire.ErrNoMessage, `"reply":1,`, "", ""},
		{"mute", `{"room":"lobby","user":"alice"}`, wire.ErrMuted, "", "unmute", `{"room":"lobby","user":"alice"}`},
		{"mute", `{"user":"alice"}`, wire.ErrMuted, "", "unmute", `{"user":"alice"}`},
		{"room.set", `{"room":"lobby","locked":true}`, wire.ErrLocked, "", "room.set", `{"room":"lobby","locked":false}`},
		{"ban", `{"room":"lobby","user":"alice"}`, wire.ErrBanned, "", "unban", `{"room":"lobby","user":"alice"}`},
		{"room.set", `{"room":"lobby","slow":3600}`, wire.ErrSlowMode, "", "room.set", `{"room":"lobby","slow":0}`},
	} {
		root.must(c.call, c.data)
		if c.code == wire.ErrSlowMode {
			alice.must("send", `{"room":"lobby","data":{"text":"the one that may be"}}`)
		}
		before := len(h.texts("lobby"))
		for _, p := range []*person{alice, h.come("alice"), h.comeAs(wire.Protobuf, "alice")} {
			if got, fault := p.call("send", message); got != first {
				t.Errorf("after %s %s the retry gets %s, error %q, not %s", c.call, c.data, got, fault, first)
			}
		}
		alice.refused(wire.ErrConflict, "send", `{"room":"lobby","id":"1","reply":1,"data":{"text":"this"}}`)
		alice.refused(c.code, "send", `{"room":"lobby","id":"2",`+c.fresh+`"data":{"text":"that"}}`)
		if got := len(h.texts("lobby")); got != before {
			t.Errorf("after %s %s: %d publications more", c.call, c.data, got-before)
		}
		if c.undo != "" {
			root.must(c.undo, c.over)
		}
	}
	bob.refused(wire.ErrNoMessage, "send", message) // the id belongs to the user, and the message it replies to is deleted
	root.must("mute", `{"user":"bob"}`)
	bob.refused(wire.ErrMuted, "send", `{"room":"lobby","id":"1","data":{"text":"that"}}`)
	bob.refused(wire.ErrMuted, "send", `{"room":"elsewhere","id":"1","data":{"text":"that"}}`)
	// A message that was never published is refused as usual, and may be sent with that id later.
	bob.refused(wire.ErrMuted, "send", `{"room":"lobby","id":"3","data":{"text":"x"}}`)
	root.must("unmute", `{"user":"bob"}`)
	bob.must("send", `{"room":"lobby","id":"3","data":{"text":"y"}}`)
}

// TestRetryWithoutTheRight checks that a user who may no longer send in the room, or be in it,
// still gets the first result.
func TestRetryWithoutTheRight(t *testing.T) {
	h := build(t, room.Config{})
	h.enter("$club", "alice", "")
	alice := h.come("alice")
	alice.join("$club")
	const message = `{"room":"$club","id":"1","data":{"text":"x"}}`
	first := alice.must("send", message)
	alice.must("room.leave", `{"room":"$club"}`)
	alice.refused(wire.ErrPermissionDenied, "send", strings.Replace(message, `"1"`, `"2"`, 1))
	if got := alice.must("send", message); got != first {
		t.Errorf("the retry gets %s, not %s", got, first)
	}
}

// TestRetryOfALateEngine checks that the result comes when the engine answers late, and that a
// failing engine does not lead to the reply that nothing was published.
func TestRetryOfALateEngine(t *testing.T) {
	e := late(nil)
	h := build(t, room.Config{Engine: e})
	root, alice := h.come("root", "admin"), h.come("alice")
	const message = `{"room":"lobby","id":"1","data":{"text":"x"}}`
	first := alice.must("send", message)
	e.set(once("known", func() { t.Error("the engine is asked about what nothing refuses") }))
	alice.must("send", `{"room":"lobby","id":"2","data":{"text":"y"}}`)
	e.set(once("known", func() { root.must("unmute", `{"room":"lobby","user":"alice"}`) }))
	root.must("mute", `{"room":"lobby","user":"alice"}`)
	if got := alice.must("send", message); got != first {
		t.Errorf("the retry gets %s, not %s", got, first)
	}
	root.must("mute", `{"room":"lobby","user":"alice"}`)
	e.failing.Store(true)
	alice.refused(wire.ErrInternal, "send", message)
	e.failing.Store(false)
	if got := alice.must("send", message); got != first {
		t.Errorf("the next retry gets %s, not %s", got, first)
	}
}

// TestRetriesAreCounted checks that retries count in the rate of commands.
func TestRetriesAreCounted(t *testing.T) {
	rates := policy.NoRates
	rates.Send = budget.Rate{N: 2, Per: wstest.Patience * 100}
	h := build(t, room.Config{Rates: rates, UserRates: policy.NoRates})
	alice := h.come("alice")
	const message = `{"room":"lobby","id":"1","data":{"text":"x"}}`
	alice.must("send", message)
	alice.must("send", message)
	alice.refused(wire.ErrTooManyRequests, "send", message)
}
