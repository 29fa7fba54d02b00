package room

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/wire"
)

// Who recovers a hundred rooms in one message is not slow, though the histories are
// more than its queue holds: it gets all of them, in order, and what it said behind
// that is answered last.
func TestHundredHistoriesAtOnce(t *testing.T) {
	const rooms, messages = 100, 16
	n := start(t, quietly(chatty()), netpoll.Config{MaxQueue: 64 << 10})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.talk(enc)
		if err := k.c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		var all []*protocol.Command
		for i := range rooms {
			name := fmt.Sprint(enc, i)
			for range messages {
				n.hub.Publish(name, Message{Op: OpJSON, Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)}, nil)
			}
			epoch := k.ask(t, &protocol.Command{History: &protocol.HistoryRequest{Channel: name}}).History.GetEpoch()
			all = append(all, &protocol.Command{Id: uint32(1000 + i), Subscribe: &protocol.SubscribeRequest{Channel: name, Recover: true, Epoch: epoch}})
		}
		if err := k.say(all...); err != nil {
			t.Fatal(err)
		}
		if err := k.say(&protocol.Command{Id: 1000 + rooms, Ping: &protocol.PingRequest{}}); err != nil {
			t.Fatal(err)
		}
		for i := range rooms + 1 {
			r, err := k.next()
			if err != nil || r.Id != uint32(1000+i) || i < rooms && (!r.Subscribe.GetRecovered() || len(r.Subscribe.Publications) != messages) {
				t.Fatalf("reply %d: %.100v, %v", i, r, err)
			}
		}
		k.c.Close()
	})
}
