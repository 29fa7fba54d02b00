package room_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/wire"
)

// A room is one room in both dialects, and in both encodings.
func TestOneRoomInAllDialects(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	old := n.join("/tea", noDeflate)
	var talkers []*protocolClient
	for _, enc := range bothEncodings {
		k := n.connect(enc)
		k.Subscribe(&protocol.SubscribeRequest{Channel: "tea"})
		talkers = append(talkers, k)
	}
	for i, c := range []struct {
		name  string
		say   func()
		data  string // as the centrifuge dialect gets it
		plain string
	}{
		{"text", func() { old.send(ws.OpText, "hi <b>\"&\"</b>\n") }, `{"text":"hi <b>\"&\"</b>\n"}`, "hi <b>\"&\"</b>\n"},
		{"JSON's text", func() { talkers[0].Publish("tea", `{"text":"one"}`) }, `{"text":"one"}`, "one"},
		{"Protobuf's text", func() { talkers[1].Publish("tea", `{"x":1,"text":"two"}`) }, `{"x":1,"text":"two"}`, "two"},
		{"no text", func() { talkers[1].Publish("tea", `[1,2]`) }, `[1,2]`, "[1,2]"},
		{"line ends", func() { talkers[1].Publish("tea", "[1,\r\n2]") }, `[1,2]`, "[1,2]"},
		{"from outside", func() { n.say("tea", "out") }, `{"text":"out"}`, "out"},
	} {
		c.say()
		old.expect(t, ws.OpText, c.plain)
		for _, k := range talkers {
			p := k.Push()
			if p.Channel != "tea" || string(p.Pub.GetData()) != c.data || p.Pub.Offset != uint64(i+1) || p.Pub.Time == 0 {
				t.Errorf("%s: %v gets %v", c.name, k.enc, p)
			}
			if from := p.Pub.Info.GetClient(); (from != "") != (0 < i && i < 5) {
				t.Errorf("%s: from %q", c.name, from)
			}
		}
	}
	// Bytes can be said in Protobuf only: JSON connections are not told.
	if err := old.send(ws.OpBinary, "\x00\xff"); err != nil {
		t.Fatal(err)
	}
	old.expect(t, ws.OpBinary, "\x00\xff")
	if p := talkers[1].Push(); string(p.Pub.GetData()) != "\x00\xff" {
		t.Errorf("Protobuf gets %v", p)
	}
	talkers[0].Publish("tea", `"end"`)
	if p := talkers[0].Push(); string(p.Pub.GetData()) != `"end"` || p.Pub.Offset != 8 {
		t.Errorf("JSON gets %v", p)
	}
}

// A room that is marked binary takes any bytes, and gives them back as they are.
func TestBinaryRoom(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	k, old := n.connect(wire.Protobuf), n.join("/bin:x", noDeflate)
	k.Subscribe(&protocol.SubscribeRequest{Channel: "bin:x"})
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	k.Publish("bin:x", string(data))
	old.expect(t, ws.OpBinary, string(data))
	if p := k.Push(); string(p.Pub.GetData()) != string(data) {
		t.Errorf("got %q", p.Pub.GetData())
	}
	h := k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "bin:x", Limit: -1}}).History
	if len(h.GetPublications()) != 1 || string(h.Publications[0].Data) != string(data) {
		t.Errorf("history: %v", h)
	}
}

// Data is one JSON value, whatever the encoding of who sends it.
func TestDataIsChecked(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	k := n.connect(wire.Protobuf)
	for _, data := range []string{"", "{", "hello", "{}{}", "1\n{\"id\":1}", "\xff", "\"\xff\"", "nul", strings.Repeat("[", 60) + strings.Repeat("]", 60)} {
		k.expectError(t, wire.ErrBadRequest, &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}})
	}
	k.Publish("r", " {\"a\": [1]}\n")
}

// What a room does not offer, or a name that is none, is refused, and the
// connection goes on.
func TestRefusedCommands(t *testing.T) {
	c := quietly(openConfig())
	c.MaxRoomsPerConn, c.MaxPresence = 3, 1
	n := start(t, c, netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.connect(enc)
		long := strings.Repeat("x", 256)
		k.expectError(t, 107, &protocol.Command{Subscribe: &protocol.SubscribeRequest{}})
		k.expectError(t, 107, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: long}})
		k.expectError(t, 107, &protocol.Command{Publish: &protocol.PublishRequest{Channel: "a\nb", Data: []byte("1")}})
		k.expectError(t, 108, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "r", Type: 1}})
		k.expectError(t, 108, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "r", Tf: &protocol.FilterNode{}}})
		k.expectError(t, 108, &protocol.Command{History: &protocol.HistoryRequest{Channel: "bare:1"}})
		k.expectError(t, 108, &protocol.Command{Presence: &protocol.PresenceRequest{Channel: "bare:1"}})
		k.expectError(t, 108, &protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: "bare:1"}})
		for _, room := range []string{"1", "2", "3"} {
			if res := k.Subscribe(&protocol.SubscribeRequest{Channel: room, Delta: "fossil", Flag: 7}); res.Delta {
				t.Error("delta was agreed to")
			}
			k.expectError(t, wire.ErrAlreadySubscribed, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: room}})
		}
		k.expectError(t, wire.ErrLimitExceeded, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "4"}})
		k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "2"}})
		k.Subscribe(&protocol.SubscribeRequest{Channel: "4"})
		other := n.connect(enc)
		other.Subscribe(&protocol.SubscribeRequest{Channel: "4"})
		k.expectError(t, wire.ErrNotAvailable, &protocol.Command{Presence: &protocol.PresenceRequest{Channel: "4"}}) // too many to name
		if r := k.Ask(&protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: "4"}}).PresenceStats; r.GetNumClients() != 2 {
			t.Errorf("counts: %v", r)
		}
		k.raw().leave(t)
		other.raw().leave(t)
	})
}

// All rooms that a connection may have are entered in one message.
func TestHundredRoomsInOneMessage(t *testing.T) {
	const rooms = 100
	n := start(t, quietly(openConfig()), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.open(enc)
		all := []*protocol.Command{{Id: 1, Connect: &protocol.ConnectRequest{}}}
		for i := range rooms {
			all = append(all, &protocol.Command{Id: uint32(i + 2), Subscribe: &protocol.SubscribeRequest{Channel: fmt.Sprint("room ", i), Recoverable: true}})
		}
		if err := k.Say(all...); err != nil {
			t.Fatal(err)
		}
		for i := range rooms + 1 {
			if r, err := k.Next(); err != nil || r.Id != uint32(i+1) || r.Error != nil {
				t.Fatalf("reply %d: %v, %v", i, r, err)
			}
		}
		for i := range rooms {
			if err := n.say(fmt.Sprint("room ", i), "x"); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]bool{}
		for range rooms {
			got[k.Push().Channel] = true
		}
		if len(got) != rooms {
			t.Errorf("publications of %d rooms", len(got))
		}
		k.raw().leave(t)
		wstest.Eventually(t, "the rooms end", func() bool { return n.hub.Stats().Rooms == 0 })
	})
}

// Ten pairs of subscribe and unsubscribe, as fast as they go, leave nothing
// behind; so do ten with a last subscribe, but one membership.
func TestRapidSubscribing(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{Workers: 2})
	truth := n.connect(wire.JSON)
	truth.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		for _, stays := range []bool{false, true} {
			k := n.connect(enc)
			var all []*protocol.Command
			for range 10 {
				all = append(all, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "r"}}, &protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
			}
			if stays {
				all = append(all, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "r"}})
			}
			for i, c := range all {
				c.Id = uint32(100 + i)
				if err := k.Say(c); err != nil {
					t.Fatal(err)
				}
			}
			for i := range all {
				if r, err := k.Next(); err != nil || r.Id != uint32(100+i) || r.Error != nil {
					t.Fatalf("reply %d: %v, %v", i, r, err)
				}
			}
			want := uint32(1)
			if stays {
				want = 2
			}
			got := truth.Ask(&protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: "r"}}).PresenceStats
			if got.GetNumClients() != want || n.room("r").Len() != int(want) {
				t.Errorf("%v, %d members; want %d", got, n.room("r").Len(), want)
			}
			truth.Publish("r", "1")
			if stays {
				k.Push()
			}
			if r := k.Ask(&protocol.Command{Ping: &protocol.PingRequest{}}); r.Ping == nil || len(k.Replies) > 0 {
				t.Errorf("got %v, and besides %v", r, k.Replies)
			}
			k.raw().leave(t)
			wstest.Eventually(t, "it has left", func() bool { return n.room("r").Len() == 1 })
		}
	})
}

// History: how many, behind what, in which direction.
func TestHistoryCommand(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k, room := n.connect(enc), "h "+enc.String()
		for i := range 5 {
			k.Publish(room, fmt.Sprint(i+1))
		}
		ask := func(r *protocol.HistoryRequest) *protocol.HistoryResult {
			t.Helper()
			r.Channel = room
			return k.Ask(&protocol.Command{History: r}).History
		}
		epoch := ask(&protocol.HistoryRequest{}).GetEpoch()
		at := func(offset uint64) *protocol.StreamPosition {
			return &protocol.StreamPosition{Epoch: epoch, Offset: offset}
		}
		for _, c := range []struct {
			ask  *protocol.HistoryRequest
			want []uint64
		}{
			{&protocol.HistoryRequest{}, nil},
			{&protocol.HistoryRequest{Limit: -1}, []uint64{1, 2, 3, 4, 5}},
			{&protocol.HistoryRequest{Limit: 2}, []uint64{1, 2}},
			{&protocol.HistoryRequest{Limit: 9}, []uint64{1, 2, 3, 4, 5}},
			{&protocol.HistoryRequest{Limit: -1, Reverse: true}, []uint64{5, 4, 3, 2, 1}},
			{&protocol.HistoryRequest{Limit: 2, Reverse: true}, []uint64{5, 4}},
			{&protocol.HistoryRequest{Limit: -1, Since: at(3)}, []uint64{4, 5}},
			{&protocol.HistoryRequest{Limit: 1, Since: at(3)}, []uint64{4}},
			{&protocol.HistoryRequest{Limit: -1, Since: at(0)}, []uint64{1, 2, 3, 4, 5}},
			{&protocol.HistoryRequest{Limit: -1, Since: at(5)}, nil},
			{&protocol.HistoryRequest{Limit: -1, Since: at(9)}, nil},
			{&protocol.HistoryRequest{Limit: -1, Since: at(3), Reverse: true}, []uint64{2, 1}},
			{&protocol.HistoryRequest{Limit: 1, Since: at(5), Reverse: true}, []uint64{4}},
			{&protocol.HistoryRequest{Limit: 0, Since: at(3)}, nil},
		} {
			h := ask(c.ask)
			var got []uint64
			for _, p := range h.GetPublications() {
				if got = append(got, p.Offset); string(p.Data) != fmt.Sprint(p.Offset) || p.Time == 0 || p.Info.GetClient() == "" {
					t.Errorf("%v: %v", c.ask, p)
				}
			}
			if !slices.Equal(got, c.want) || h.GetOffset() != 5 || h.Epoch == "" || h.Epoch != epoch {
				t.Errorf("%v: %v, want %v", c.ask, h, c.want)
			}
		}
		k.expectError(t, wire.ErrUnrecoverablePosition, &protocol.Command{History: &protocol.HistoryRequest{Channel: room, Limit: 1, Since: &protocol.StreamPosition{Epoch: "another", Offset: 1}}})
		k.expectError(t, wire.ErrBadRequest, &protocol.Command{History: &protocol.HistoryRequest{Channel: room, Limit: 1, Reverse: true, Since: at(0)}})
	})
}

// Who recovers relies on its place, whether it says so or not: it is told the place
// that it named, from which the publications move it on, and of gaps.
func TestWhoRecoversHasAPlace(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	k := n.connect(wire.JSON)
	k.Publish("r", "1")
	epoch := k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "r"}}).History.GetEpoch()
	k.Publish("r", "2")
	got := k.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recover: true, Epoch: epoch, Offset: 1})
	if !got.Recovered || len(got.Publications) != 1 || !got.Positioned || got.Epoch != epoch || got.Offset != 1 {
		t.Errorf("got %v", got)
	}
	if n.hub.RemoveHistory("r", func(error) {}); k.Push().Unsubscribe.GetCode() != uint32(wire.UnsubscribeInsufficientState) {
		t.Error("it is not told of a gap")
	}
}

// keeping is an engine whose histories come when a test lets them.
type keeping struct {
	*memory.Engine
	kept chan func()
}

func (e *keeping) History(room string, part engine.Span, done func(engine.History, error)) {
	e.kept <- func() { e.Engine.History(room, part, done) }
}

// What is kept for one who is still joining is bounded by what it takes, be it ever
// so small: then the subscription fails, and may be tried again.
func TestWhatIsCaughtIsBounded(t *testing.T) {
	e := &keeping{memory.New(memory.Limits{}), make(chan func(), 1)}
	c := quietly(openConfig())
	c.Engine, c.MaxUnswept = e, 10_000
	n := start(t, c, netpoll.Config{})
	k := n.connect(wire.JSON)
	join := &protocol.Command{Id: 7, Subscribe: &protocol.SubscribeRequest{Channel: "r", Recoverable: true}}
	for count, want := range map[int]wire.ErrorCode{50: 0, 200: wire.ErrInternal} {
		if err := k.Say(join); err != nil {
			t.Fatal(err)
		}
		answer := <-e.kept
		for range count {
			n.hub.Publish("r", engine.Message{Op: engine.OpJSON, Data: []byte("1")}, nil)
		}
		answer()
		if r, err := k.Next(); err != nil || r.Id != 7 || wire.ErrorCode(r.Error.GetCode()) != want {
			t.Errorf("behind %d publications: %v, %v", count, r, err)
		}
		k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
	}
}

// A token that nobody can judge leaves no pending subscribe behind.
func TestRefusedTokenLeavesNoWish(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	k := n.connect(wire.JSON)
	for range 2 {
		k.expectError(t, wire.ErrPermissionDenied, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "r", Token: "x"}})
	}
	k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
}

// TestRapidSubscribingWithALateEngine checks the same while the engine answers late: a client that
// subscribes again before its first subscription is made gets one slot, and one that is gone gets none.
func TestRapidSubscribingWithALateEngine(t *testing.T) {
	memory := memory.New(memory.Limits{})
	c := quietly(openConfig())
	c.Engine = enginetest.NewLate(t, memory, 1)
	n := start(t, c, netpoll.Config{Workers: 2})
	truth := n.connect(wire.JSON)
	truth.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	const pairs = 10
	for round := range 20 {
		k := n.connect(bothEncodings[round%2])
		var all []*protocol.Command
		for i := range pairs {
			all = append(all, &protocol.Command{Id: uint32(100 + i), Subscribe: &protocol.SubscribeRequest{Channel: "r"}},
				&protocol.Command{Id: uint32(200 + i), Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
		}
		all = append(all, &protocol.Command{Id: 300, Subscribe: &protocol.SubscribeRequest{Channel: "r"}})
		if err := k.Say(all...); err != nil {
			t.Fatal(err)
		}
		if round%4 > 1 {
			k.Conn.Close()
			// Both: before its commands are read it is not a member yet.
			wstest.Eventually(t, "it is gone", func() bool { return n.s.Stats().Open == 1 && n.room("r").Len() == 1 })
			continue
		}
		answered := map[uint32]bool{}
		for len(answered) < len(all) {
			r, err := k.Next()
			if err != nil || answered[r.Id] || r.Error != nil && (r.Error.Code != 100 || r.Id == 300) {
				t.Fatalf("behind %v: %v, %v", answered, r, err)
			}
			answered[r.Id] = true
		}
		if got := n.room("r").Len(); got != 2 {
			t.Errorf("%d members, want 2", got)
		}
		truth.Publish("r", "1")
		if p := k.Push(); p.Pub == nil {
			t.Errorf("got %v", p)
		}
		truth.Publish("r", "2")
		if p := k.Push(); string(p.Pub.GetData()) != "2" {
			t.Errorf("got %v, want the second publication", p)
		}
		k.raw().leave(t)
		wstest.Eventually(t, "it has left", func() bool { return n.room("r").Len() == 1 })
	}
	truth.raw().leave(t)
	wstest.Eventually(t, "the room ends", func() bool { return n.hub.Stats().Rooms == 0 })
}
