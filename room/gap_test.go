package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/token"
	"webim/room/wire"
)

// Who relies on a place is told of a gap, and nobody else: a client that
// subscribed with 2500, one whom the server joined with 3010. What lies behind
// the gap does not come before that.
func TestGapIsTold(t *testing.T) {
	v, sign := tokens(t)
	for _, again := range []bool{false, true} { // the engine says so itself, or a publication shows it
		t.Run(fmt.Sprint("begun again ", again), func(t *testing.T) {
			c := quietly(chatty())
			c.Tokens = v
			n := start(t, c, netpoll.Config{})
			placed, loose, joined, old := n.talk(wire.JSON), n.talk(wire.Protobuf), n.open(wire.JSON), n.join("/r", noDeflate)
			placed.subscribe(t, &protocol.SubscribeRequest{Channel: "r", Recoverable: true})
			loose.subscribe(t, &protocol.SubscribeRequest{Channel: "r"})
			claims := sign(token.Claims{User: "ann", Channels: []string{"r"}}, time.Hour)
			if res := joined.ask(t, &protocol.Command{Connect: &protocol.ConnectRequest{Token: claims}}); res.Connect.GetSubs()["r"] == nil {
				t.Fatalf("connecting: %v", res)
			}
			eventually(t, "all are members", func() bool { return n.room("r").Len() == 4 })
			r := n.room("r")
			behind := Publication{Message: Message{Op: OpJSON, Data: []byte(`"behind"`)}, Prev: 8, Offset: 9}
			if again {
				r.Begun(Position{"another", 8})
			}
			r.Deliver(behind)
			if p := placed.push(t); p.Unsubscribe.GetCode() != 2500 {
				t.Errorf("who has a place gets %v", p)
			}
			if p := loose.push(t); string(p.Pub.GetData()) != `"behind"` {
				t.Errorf("who has none gets %v", p)
			}
			old.expect(t, 1, `"behind"`)
			joined.expectClose(t, wire.DisconnectInsufficientState)
			eventually(t, "two are left", func() bool { return r.Len() == 2 })
			if got := placed.ask(t, &protocol.Command{Ping: &protocol.PingRequest{}}); got.Ping == nil || len(placed.behind) > 0 {
				t.Errorf("behind that it gets %v, %v", got, placed.behind)
			}
		})
	}
}
