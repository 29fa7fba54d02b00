package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/wire"
)

// typingUntil counts the pushes that tell that somebody types, until a message comes.
func typingUntil(t *testing.T, k *talker, text string) (n int) {
	t.Helper()
	for {
		pub := k.push(t).Pub
		switch {
		case pub == nil:
			t.Fatal("another push")
		case pub.Tags[TagEvent] == TypingTag:
			n++
		case string(pub.Data) == text:
			return n
		}
	}
}

// TestTypingIsCoalesced: however many users type, and however often, members are told of
// maxTypists of them in typingEvery. All encodings are told the same.
func TestTypingIsCoalesced(t *testing.T) {
	n := start(t, chatty(), netpoll.Config{})
	var all []*talker
	for _, enc := range bothEncodings {
		k := n.talk(enc)
		k.subscribe(t, &protocol.SubscribeRequest{Channel: "r"})
		all = append(all, k)
	}
	r := n.room("r")
	types := func(i int) {
		n.hub.engine.Notify("r", Notice{Typing: true, Who: Author{Client: fmt.Sprint(i)}})
	}
	told := func(want int, when string) {
		t.Helper()
		if err := n.say("r", when); err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if got := typingUntil(t, k, fmt.Sprintf(`{"text":%q}`, when)); got != want {
				t.Errorf("%s: %d are told to type, not %d", when, got, want)
			}
		}
	}
	types(0)
	told(1, "the first")
	r.mu.Lock()
	r.typists.next = time.Now().Add(time.Hour)
	r.mu.Unlock()
	for i := range 1000 {
		types(i % 20)
	}
	told(0, "too early")
	r.tellTypists()
	told(maxTypists, "a crowd")
	r.tellTypists()
	told(0, "nobody since")
}

// TestLargeRoomsAreNotToldWhoTypes: each would be a write for every member.
func TestLargeRoomsAreNotToldWhoTypes(t *testing.T) {
	n := start(t, chatty(), netpoll.Config{})
	k := n.talk(wire.JSON)
	k.subscribe(t, &protocol.SubscribeRequest{Channel: "r"})
	n.joinAll(maxTyping, "/r", plain)
	n.hub.engine.Notify("r", Notice{Typing: true, Who: Author{Client: "a"}})
	if err := n.say("r", "next"); err != nil {
		t.Fatal(err)
	}
	if got := typingUntil(t, k, `{"text":"next"}`); got != 0 {
		t.Errorf("told %d times", got)
	}
}
