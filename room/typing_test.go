package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// typingUntil counts the pushes about users that type, until a message comes.
func typingUntil(t *testing.T, k *protocolClient, text string) (n int) {
	t.Helper()
	defer k.Wait()()
	for {
		pub := k.Push().Pub
		switch {
		case pub == nil:
			t.Fatal("another push")
		case pub.Tags[engine.TagEvent] == room.TypingTag:
			n++
		case string(pub.Data) == text:
			return n
		}
	}
}

// TestTypingIsCoalesced checks that, however many users type and however often, members are told
// of at most maxTypists of them in typingEvery, and of none that has sent a message since. All
// encodings get the same.
func TestTypingIsCoalesced(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	var all []*protocolClient
	for _, enc := range bothEncodings {
		k := n.connect(enc)
		k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		all = append(all, k)
	}
	r := n.room("r")
	types := func(i int) {
		n.hub.Engine().Notify("r", engine.Notice{Typing: true, Who: engine.Author{Client: fmt.Sprint(i)}})
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
	r.Mu().Lock()
	*r.Typists().Next() = time.Now().Add(time.Hour)
	r.Mu().Unlock()
	for i := range 1000 {
		types(i % 20)
	}
	told(0, "too early")
	spoke := engine.Message{Op: engine.OpJSON, Data: []byte("{}"), From: &engine.Author{Client: "0"}} // then the user no longer types
	n.hub.Publish("r", spoke, func(_ engine.Position, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	r.SendWaitingTyping()
	told(room.MaxTypists-1, "many, without the one that has sent a message")
	r.SendWaitingTyping()
	told(0, "nobody since")
}

// TestLargeRoomsGetNoTyping checks that a large room is not told which users type, because that
// would need a write for each member.
func TestLargeRoomsGetNoTyping(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	k := n.connect(wire.JSON)
	k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	n.joinAll(room.MaxTyping, "/r", plain)
	n.hub.Engine().Notify("r", engine.Notice{Typing: true, Who: engine.Author{Client: "a"}})
	if err := n.say("r", "next"); err != nil {
		t.Fatal(err)
	}
	if got := typingUntil(t, k, `{"text":"next"}`); got != 0 {
		t.Errorf("told %d times", got)
	}
}
