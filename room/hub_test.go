package room_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
)

// TestRelay checks that a message goes to all members of the room, with its sender, unchanged,
// and to no other connection.
func TestRelay(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	room := []*client{n.join("/a", noDeflate), n.join("/a", deflate), n.join("/a", deflateSmall), n.join("/a?x", noDeflate)}
	elsewhere := []*client{n.join("/", noDeflate), n.join("/A", noDeflate), n.join("/a/", noDeflate)}
	for _, m := range []struct {
		op      ws.OpCode
		payload string
	}{
		{ws.OpText, "hello"},
		{ws.OpBinary, ""},
		{ws.OpBinary, "\x00\xff\xfe"},
		{ws.OpText, "日本 🎉 <script>alert(1)</script>"},
		{ws.OpText, strings.Repeat("again and ", 100)},
		{ws.OpBinary, strings.Repeat("\x00\x01", 30_000)},
		{ws.OpText, strings.Repeat("z", 256<<10)},
		{ws.OpText, "last"},
	} {
		for _, sender := range room {
			if err := sender.send(m.op, m.payload); err != nil {
				t.Fatal(err)
			}
			for _, c := range room {
				c.expect(t, m.op, m.payload)
			}
		}
	}
	for _, c := range elsewhere {
		if err := c.send(ws.OpText, "nothing before this"); err != nil {
			t.Fatal(err)
		}
		c.expect(t, ws.OpText, "nothing before this")
	}
	want := int64(len(room)*len(room)*8 + len(elsewhere))
	wstest.Eventually(t, "each delivery is counted once", func() bool { return n.s.Stats().MessagesOut == want })
}

// TestRoomEnds checks that a room ends with its last member and then takes no memory of the hub,
// and that the engine keeps its history and its epoch for their time.
func TestRoomEnds(t *testing.T) {
	clock := new(enginetest.Clock)
	m := memory.New(memory.Limits{MaxAge: time.Hour, Now: clock.Now})
	n := start(t, room.Config{Engine: m}, netpoll.Config{})
	epochs := map[string]bool{}
	for round := range 3 {
		members := []*client{n.join("/a", noDeflate), n.join("/a", deflate)}
		quiet := n.join("/quiet", noDeflate)
		if st := n.hub.Stats(); st.Rooms != 2 || st.Members != 3 {
			t.Fatalf("%+v, want 2 rooms with 3 members", st)
		}
		for i := range 3 {
			text := fmt.Sprint(round, i)
			if err := members[0].send(ws.OpText, text); err != nil {
				t.Fatal(err)
			}
			members[0].expect(t, ws.OpText, text)
			members[1].expect(t, ws.OpText, text)
		}
		members[0].leave(t)
		members[1].Conn.Close() // without a word
		quiet.leave(t)
		wstest.Eventually(t, "the rooms end", func() bool { return n.holds() == room.Stats{} && len(n.hub.Rooms()) == 0 })
		wstest.Eventually(t, "the engine keeps only the room with a history", func() bool { return m.Stats().Topics == 1 })
		h := enginetest.History(t, m, "a", engine.Span{Limit: -1})
		want := 3
		if round == 1 {
			want = 6 // the room of round 0 was remembered
		}
		if len(h.Publications) != want || h.Top.Offset != uint64(want) {
			t.Errorf("round %d: %d messages up to %v, want %d", round, len(h.Publications), h.Top, want)
		}
		epochs[h.Top.Epoch] = true
		if round == 1 {
			clock.Advance(time.Hour + 1)
			m.Expire()
			if st := m.Stats(); st != (engine.Stats{}) {
				t.Errorf("after its time the engine remembers %+v", st)
			}
		}
	}
	if len(epochs) != 2 {
		t.Errorf("epochs %v, want one for rounds 0 and 1 and another for round 2", epochs)
	}
	if k := len(n.hub.ByNum()); k > 2 {
		t.Errorf("%d numbers were used for 2 rooms at a time", k)
	}
}

// TestTwoHubsOneEngine checks that two servers with a hub each, on one engine, behave as one
// room.
func TestTwoHubsOneEngine(t *testing.T) {
	m := memory.New(memory.Limits{})
	a := start(t, room.Config{Engine: m}, netpoll.Config{Workers: 1})
	b := start(t, room.Config{Engine: m}, netpoll.Config{})
	members := []*client{a.join("/x", noDeflate), b.join("/x", noDeflate), b.join("/x", deflate), a.join("/x", deflateSmall)}
	other := b.join("/y", noDeflate)
	const each = 50
	for k := range each {
		for i, c := range members {
			if err := c.send(ws.OpText, fmt.Sprint(i, " ", k, strings.Repeat(" ", k*10))); err != nil {
				t.Fatal(err)
			}
		}
	}
	var first []string
	for i, c := range members {
		var got []string
		for range each * len(members) {
			_, p, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(p))
		}
		if i == 0 {
			first = got
		}
		for k := range got {
			if got[k] != first[k] {
				t.Fatalf("member %d got %q as number %d, member 0 %q", i, got[k], k, first[k])
			}
		}
	}
	if err := a.say("y", "from the other hub"); err != nil {
		t.Fatal(err)
	}
	other.expect(t, ws.OpText, "from the other hub")
	// One hub's room ends, the other's goes on.
	members[0].leave(t)
	members[3].leave(t)
	wstest.Eventually(t, "hub a is empty", func() bool { return a.holds() == room.Stats{} })
	if err := a.say("x", "from a hub without members"); err != nil {
		t.Fatal(err)
	}
	members[1].expect(t, ws.OpText, "from a hub without members")
	members[2].expect(t, ws.OpText, "from a hub without members")
}
