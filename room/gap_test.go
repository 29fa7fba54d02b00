package room_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// TestGapIsTold checks that the clients that know their position are told of a gap, and no
// others: a client that subscribed with 2500, one that the server joined with 3010. Messages from
// behind the gap come after that.
func TestGapIsTold(t *testing.T) {
	v, sign := tokens(t)
	for _, again := range []bool{false, true} { // the engine says so itself, or a publication shows it
		t.Run(fmt.Sprint("begun again ", again), func(t *testing.T) {
			c := quietly(openConfig())
			c.Tokens = v
			n := start(t, c, netpoll.Config{})
			placed, loose, joined, old := n.connect(wire.JSON), n.connect(wire.Protobuf), n.open(wire.JSON), n.join("/r", noDeflate)
			placed.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recoverable: true})
			loose.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
			claims := sign(token.Claims{User: "ann", Channels: []string{"r"}}, time.Hour)
			if res := joined.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: claims}}); res.Connect.GetSubs()["r"] == nil {
				t.Fatalf("connecting: %v", res)
			}
			wstest.Eventually(t, "all are members", func() bool { return n.room("r").Len() == 4 })
			r := n.room("r")
			behind := engine.Publication{Message: engine.Message{Op: engine.OpJSON, Data: []byte(`"behind"`)}, Prev: 8, Offset: 9}
			if again {
				r.Begin(engine.Position{Epoch: "another", Offset: 8})
			}
			r.Deliver(behind)
			if p := placed.Push(); p.Unsubscribe.GetCode() != 2500 {
				t.Errorf("the client that knows its position gets %v", p)
			}
			if p := loose.Push(); string(p.Pub.GetData()) != `"behind"` {
				t.Errorf("the client that knows none gets %v", p)
			}
			old.expect(t, 1, `"behind"`)
			joined.expectClose(t, wire.DisconnectInsufficientState)
			wstest.Eventually(t, "two are left", func() bool { return r.Len() == 2 })
			if got := placed.Ask(&protocol.Command{Ping: &protocol.PingRequest{}}); got.Ping == nil || len(placed.Replies) > 0 {
				t.Errorf("behind that it gets %v, %v", got, placed.Replies)
			}
		})
	}
}

// TestSkippedIsNoGap checks that messages that are not for the history are in no reply, count in
// no limit, and are no gap for a client that recovers.
func TestSkippedIsNoGap(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	k := n.connect(wire.JSON)
	for i := range 5 {
		n.hub.Publish("r", engine.Message{Op: engine.OpJSON, Data: fmt.Append(nil, i+1), Skip: i%2 == 1}, nil)
	}
	for _, c := range []struct {
		ask  *protocol.HistoryRequest
		want []news
	}{
		{&protocol.HistoryRequest{Channel: "r", Limit: 2}, []news{{1, "1"}, {3, "3"}}},
		{&protocol.HistoryRequest{Channel: "r", Limit: 2, Reverse: true}, []news{{5, "5"}, {3, "3"}}},
	} {
		if got := newsOf(k.Ask(&protocol.Command{History: c.ask}).History.GetPublications()); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.ask, got, c.want)
		}
	}
	epoch := k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "r"}}).History.GetEpoch()
	for _, since := range []uint64{1, 2} {
		got := k.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recoverable: true, Recover: true, Epoch: epoch, Offset: since})
		if all := newsOf(got.Publications); !got.Recovered || !slices.Equal(all, []news{{3, "3"}, {5, "5"}}) {
			t.Errorf("behind %d: %v", since, got)
		}
		k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
	}
}
