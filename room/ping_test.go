package room_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/wire"
)

// pinging is openConfig with pings as fast as they may come.
func pinging(interval, pong time.Duration) room.Config {
	c := openConfig()
	c.PingInterval, c.PongTimeout = interval, pong
	return c
}

// Pings are the dialect's own, {} or a zero byte, and come every interval
// whatever else flows; nobody gets a WebSocket ping.
func TestPingsComeWhateverFlows(t *testing.T) {
	n := start(t, pinging(100*time.Millisecond, -1), netpoll.Config{PingInterval: 100 * time.Millisecond})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		silent := n.connect(enc)
		want := map[wire.Encoding]string{wire.JSON: "{}", wire.Protobuf: "\x00"}[enc]
		for range 3 {
			silent.raw().expect(t, map[wire.Encoding]ws.OpCode{wire.JSON: ws.OpText, wire.Protobuf: ws.OpBinary}[enc], want)
		}
		busy := n.connect(enc)
		busy.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		said := 0
		for ; busy.Pings < 4; said++ {
			busy.Publish("r", fmt.Sprint(said))
			busy.Replies = nil
		}
		if said < 4 {
			t.Error("nothing flowed")
		}
		silent.Conn.Close()
		busy.Conn.Close()
	})
}

// Who does not answer a ping is closed with 3012; who answers, or says anything
// else, is not.
func TestNoPong(t *testing.T) {
	n := start(t, pinging(1200*time.Millisecond, time.Second), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		good, mute := n.connect(enc), n.connect(enc)
		answers := make(chan error, 1)
		go func() {
			for good.Pings < 3 {
				if err := good.ReadReplies(); err != nil {
					answers <- err
					return
				}
			}
			answers <- nil
		}()
		mute.Mute = true
		mute.expectClose(t, wire.DisconnectNoPong)
		if mute.Pings != 1 {
			t.Errorf("%d pings before the close, want the one that had no answer", mute.Pings)
		}
		if err := <-answers; err != nil {
			t.Errorf("who answers: %v", err)
		}
		good.Conn.Close()
	})
}

// Who reads slower than its room speaks is told so, once it reads: what was cut
// is finished, what was queued is dropped.
func TestSlowIsTold(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{SendBuffer: 4096, MaxQueue: 32 << 10})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		slow, other := n.connect(enc), n.connect(enc)
		wstest.Eventually(t, "these two are there", func() bool { return n.existing() == 2 })
		if err := slow.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		before := n.s.Stats().Closed[netpoll.Slow]
		slow.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		data := `"` + strings.Repeat("x", 8000) + `"`
		for i := 0; n.existing() == 2; i++ {
			if i > 5000 {
				t.Fatal("nobody is slow")
			}
			other.Publish("r", data)
		}
		slow.Wait()
		for offset := uint64(0); ; {
			r, err := slow.Next()
			if err != nil {
				if end, ok := err.(wstest.ClosedError); !ok || end.Code != 3008 || end.Reason != "slow" {
					t.Errorf("behind offset %d: %v", offset, err)
				}
				break
			}
			if r.Push == nil || offset > 0 && r.Push.Pub.GetOffset() != offset+1 {
				t.Fatalf("behind offset %d: %v", offset, r)
			}
			offset = r.Push.Pub.Offset
		}
		slow.Conn.Close()
		other.Conn.Close()
		wstest.Eventually(t, "it is counted", func() bool { return n.s.Stats().Closed[netpoll.Slow] == before+1 })
	})
}

// existing is how many connections are open and not closing.
func (n *node) existing() (count int) {
	for c := range n.s.Conns() {
		if c.Exists() {
			count++
		}
	}
	return count
}
