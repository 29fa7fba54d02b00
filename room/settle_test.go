package room_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/token"
	"webim/room/wire"
)

// TestShutdownSweepsPausingRooms checks that messages which were acknowledged while the shards of
// their room paused leave before the connections are closed, in both dialects, to a member of
// several rooms, and in their order.
func TestShutdownSweepsPausingRooms(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	const messages = 200
	old := n.join("/r", noDeflate)
	sessions := []*protocolClient{n.connect(wire.JSON), n.connect(wire.Protobuf)}
	for _, k := range sessions {
		for _, room := range []string{"r", "s"} {
			k.Subscribe(&protocol.SubscribeRequest{Channel: room})
		}
	}
	wstest.Eventually(t, "all are members", func() bool { return n.hub.Stats().Members == 5 })
	for _, room := range []string{"r", "s"} {
		holdSweeps(t, n.room(room))
		for i := range messages {
			if err := n.say(room, fmt.Sprint(room, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var readers sync.WaitGroup
	for _, k := range sessions {
		readers.Go(func() {
			defer k.Conn.Close()
			k.Wait()
			got := map[string]int{}
			for {
				r, err := k.Next()
				if err != nil {
					if err.Error() != "closed with 3001 shutdown" || got["r"] != messages || got["s"] != messages {
						t.Errorf("a session got %v, then %v", got, err)
					}
					return
				}
				if p := r.GetPush(); p.GetPub() != nil {
					got[p.Channel]++
				}
			}
		})
	}
	readers.Go(func() {
		defer old.Conn.Close()
		for i := range messages {
			old.expect(t, ws.OpText, fmt.Sprint("r", i))
		}
		if op, _, err := old.read(); op != ws.OpClose || err != nil {
			t.Errorf("behind the messages: %v, %v", op, err)
		}
	})
	n.stop()
	readers.Wait()
}

// TestShutdownSweepsBusyRooms checks that a room that is busy until the server stops loses
// nothing, whether its shards sweep or pause.
func TestShutdownSweepsBusyRooms(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	const members, messages = 300, 200
	var got atomic.Int64
	var readers sync.WaitGroup
	for _, c := range n.joinAll(members, "/r", plain) {
		readers.Go(func() {
			defer c.Conn.Close()
			c.Wait()
			for {
				op, _, err := c.read()
				if err != nil || op == ws.OpClose {
					return
				}
				got.Add(1)
			}
		})
	}
	for i := range messages {
		if err := n.say("r", fmt.Sprint("message ", i)); err != nil {
			t.Fatal(err)
		}
	}
	n.stop()
	readers.Wait()
	if want := int64(members * messages); got.Load() != want {
		t.Errorf("%d of %d deliveries came", got.Load(), want)
	}
}

// TestSettleEnds checks that Settle does not wait for a room whose members have left meanwhile,
// nor longer than its context.
func TestSettleEnds(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{Workers: 1})
	c := n.join("/r", noDeflate)
	r := n.room("r")
	conn := onlyConn(t, n.s)
	block := func() (free func()) { // keeps the one worker from sweeping
		began, over := make(chan bool), make(chan bool)
		n.s.NewTurn(func() bool { close(began); <-over; return false }).Wake()
		<-began
		return func() { close(over) }
	}
	free := block()
	if err := n.say("r", "one"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n.hub.Settle(ctx, []netpoll.Conn{conn})
	settled := make(chan bool)
	go func() {
		n.hub.Settle(context.Background(), []netpoll.Conn{conn})
		close(settled)
	}()
	wstest.Eventually(t, "both wait", func() bool {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return len(r.Groups()[netpoll.Plain].Shards()[0].SettleWaiters()) == 2
	})
	m, _ := n.hub.Member(conn)
	n.hub.Leave(m)
	select {
	case <-settled:
	case <-time.After(wstest.Patience):
		t.Error("it waits for a room without members")
	}
	free()
	c.Conn.Close()
}

// TestShutdownServesUntilClose checks that a shutdown serves the clients that it has not closed
// yet as before: it delivers their messages, and their tokens expire.
func TestShutdownServesUntilClose(t *testing.T) {
	v, sign := tokens(t)
	c := quietly(openConfig())
	c.Tokens, c.ExpiredGrace = v, time.Millisecond
	n := start(t, c, netpoll.Config{CloseTimeout: time.Hour})
	first, last := n.join("/r", noDeflate), n.chat()
	last.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "ann"}, 4*time.Second))
	last.reply(t)
	last.say(t, `{"id":2,"subscribe":{"channel":"r"}}`)
	last.reply(t)
	end := make(chan error, 1)
	go func() { end <- n.s.Shutdown(context.Background(), time.Hour) }()
	if op, _, err := first.read(); op != ws.OpClose || err != nil {
		t.Fatalf("the first gets %v, %v", op, err)
	}
	last.say(t, `{"id":3,"publish":{"channel":"r","data":{"text":"still here"}}}`)
	if got := last.reply(t) + last.reply(t); !strings.Contains(got, `"still here"`) || !strings.Contains(got, `"publish"`) {
		t.Errorf("a message meanwhile: %s", got)
	}
	if got := last.reply(t); got != "close 3005" {
		t.Errorf("a token that ran out meanwhile: %s", got)
	}
	first.Conn.Close()
	last.Conn.Close()
	if err := <-end; err != nil {
		t.Error(err)
	}
}

func onlyConn(t *testing.T, s *netpoll.Server) (conn netpoll.Conn) {
	t.Helper()
	for c := range s.Conns() {
		conn = c
	}
	if !conn.Exists() {
		t.Fatal("there is no connection")
	}
	return conn
}
