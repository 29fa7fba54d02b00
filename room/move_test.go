package room_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/roomtest"
	"webim/room/wire"
)

// inRoom connects a client and subscribes it to room r.
func inRoom(t testing.TB, n *roomtest.Node, enc wire.Encoding) *wstest.Protocol {
	t.Helper()
	p := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, enc == wire.Protobuf)
	p.Connect(&protocol.ConnectRequest{})
	p.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recoverable: true, JoinLeave: true})
	return p
}

// TestMoveWhileTalking moves a hub several times while clients of each dialect publish as fast as they are answered. Each
// member gets each message once, in the order of the room, and each message that is acknowledged is among them.
func TestMoveWhileTalking(t *testing.T) {
	cfg := quietly(openConfig())
	n := roomtest.Start(t, cfg, netpoll.Config{})
	watcher := inRoom(t, n, wire.Protobuf)
	plainWatcher := wstest.ConnectPath(t, n.Addr, "/r")
	wstest.Eventually(t, "the watchers are there", func() bool { return n.Hub.Stats().Members == 2 })
	const talkers, each = 6, 120
	var wg sync.WaitGroup
	for i := range talkers {
		if i%3 == 2 {
			c := wstest.ConnectPath(t, n.Addr, "/r")
			wg.Go(func() { talkPlainly(t, c, fmt.Sprint(i), each) })
			continue
		}
		p := inRoom(t, n, bothEncodings[i%2])
		wg.Go(func() { talk(t, p, fmt.Sprint(i), each) })
	}
	var seen []string
	var last uint64
	wg.Go(func() {
		for len(seen) < talkers*each {
			r, err := watcher.Next()
			if err != nil || r.Push == nil {
				t.Errorf("the watcher got %v, %v", r, err)
				return
			}
			if p := r.Push.Pub; p != nil {
				if p.Offset != last+1 {
					t.Errorf("the offset %d comes after %d", p.Offset, last)
				}
				last = p.Offset
				seen = append(seen, string(p.Data))
			}
		}
	})
	for move := range 4 {
		want := uint64((move + 1) * talkers * each / 8)
		wstest.Eventually(t, "some messages were published", func() bool { return n.Hub.Stats().Published > 0 && topOf(t, n.Hub).Offset >= want })
		n = n.Move(cfg, netpoll.Config{})
	}
	wg.Wait()
	for i, want := range seen {
		_, got, err := plainWatcher.ReadMessage()
		if err != nil || textOf(want) != string(got) {
			t.Fatalf("message %d is %q, %v; the other watcher got %s", i, got, err, want)
		}
	}
	count := map[string]int{}
	for _, one := range seen {
		count[one]++
	}
	if len(count) != talkers*each {
		t.Errorf("%d different messages, want %d", len(count), talkers*each)
	}
}

func topOf(t testing.TB, h *room.Hub) (at engine.Position) {
	t.Helper()
	h.Engine().History("r", engine.Span{}, func(got engine.History, err error) { at = got.Top })
	return at
}

// textOf returns what a plain client gets of the data of a publication.
func textOf(data string) string {
	var text string
	if n, _ := fmt.Sscanf(data, `{"text":%q}`, &text); n == 1 {
		return text
	}
	return data
}

// talk publishes messages one after the other, and checks that each is acknowledged.
func talk(t *testing.T, p *wstest.Protocol, name string, count int) {
	for i := range count {
		r, err := p.Try(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: fmt.Appendf(nil, `{"text":"%s %d"}`, name, i)}})
		if err != nil || r.Publish == nil {
			t.Errorf("talker %s, message %d: %v, %v", name, i, r, err)
			return
		}
	}
}

// talkPlainly sends messages one after the other, and waits until each comes back.
func talkPlainly(t *testing.T, c *wstest.Client, name string, count int) {
	for i := range count {
		text := fmt.Sprint(name, " ", i)
		if err := c.TrySend(wstest.Frame(0x81, text)); err != nil {
			t.Errorf("talker %s: %v", name, err)
			return
		}
		for got := ""; got != text; {
			op, payload, err := c.ReadMessage()
			if err != nil || op != ws.OpText {
				t.Errorf("talker %s, message %d: %x %q, %v", name, i, op, payload, err)
				return
			}
			got = string(payload)
		}
	}
}
