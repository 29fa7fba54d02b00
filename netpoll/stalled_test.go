package netpoll

import (
	"errors"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// The edge that says a full socket has room again may find the write bit
// taken, by somebody whose write failed just before. It must not be lost.
func TestQueueEdgeFindsBitTaken(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, end := join(t, s, 4096)
	n := fill(t, c)
	c.r.mu.Lock()
	c.r.w |= wBit // a write is under way that the full socket will refuse
	c.r.mu.Unlock()
	read := 0
	for read < n/2 { // there is room: the edge comes
		nextFrame(t, end)
		read++
	}
	soon(t, "the turn found the bit taken", func() bool {
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		return c.r.w&wAgain != 0
	})
	c.r.mu.Lock()
	s.endWriteLocked(c.r)
	c.r.mu.Unlock()
	for ; read < n; read++ {
		nextFrame(t, end)
	}
}

// Tiny frames cost what they cost, not what they say; and all of them leave in
// order.
func TestQueueTinyFrames(t *testing.T) {
	s := serve(t, Config{Policy: DropNewest}, nil)
	c, end := join(t, s, 4096)
	sent := fill(t, c)
	n, err := 0, error(nil)
	for ; err == nil; n++ {
		err = c.Push(ws.OpBinary, []byte{byte(n), byte(n >> 8)})
	}
	n--
	if limit := s.cfg.MaxQueue; !errors.Is(err, ErrQueueFull) || n > limit/bufferCost || n < limit/bufferCost/2 {
		t.Fatalf("%d frames of 4 bytes wait at the limit of %d: %v", n, limit, err)
	}
	if held := s.queued.Load(); held < int64(n*bufferCost) {
		t.Errorf("%d bytes are counted for %d frames", held, n)
	}
	for range sent {
		nextFrame(t, end)
	}
	for i := range n {
		if f := nextFrame(t, end); f[2] != byte(i) || f[3] != byte(i>>8) {
			t.Fatalf("frame %d is % x", i, f)
		}
	}
	soon(t, "nothing is held", func() bool { return s.queued.Load() == 0 })
}

// A socket that takes nothing is WriteTimeout's to judge, not the heartbeat's:
// its pong would wait behind what it does not take. That goes for a ping that
// was sent before, too.
func TestHeartbeatSparesTheBlocked(t *testing.T) {
	const interval = 50 * time.Millisecond
	s := serve(t, Config{PingInterval: interval, PongTimeout: 10 * interval, WriteTimeout: time.Hour, MaxQueue: 100_000}, nil)
	c, end := join(t, s, 4096)
	if f := nextFrame(t, end); f[0] != 0x89 {
		t.Fatalf("got % x, want a ping", f)
	}
	n := 0
	for ; ; n++ { // to the brim: not even a ping's 2 bytes would find room
		size := s.cfg.MaxQueue - queueCost(c) - 10
		if lag(c) > 0 && size > 2000 {
			size = 2000
		}
		if lag(c) > 0 && size < 200 {
			break
		}
		if err := c.Push(ws.OpBinary, make([]byte, min(max(size, 1), 2000))); err != nil {
			t.Fatal(err)
		}
	}
	at := s.clock.now.Load()
	soon(t, "pongs are overdue", func() bool { return s.clock.now.Load()-at > 20*s.ticks.ping || !c.Exists() })
	if !c.Exists() {
		t.Fatal("closed, though it was only slow")
	}
	for range n {
		if f := nextFrame(t, end); f[0] != 0x82 {
			t.Fatalf("got % x", f[:2])
		}
	}
	if f := nextFrame(t, end); f[0] != 0x89 {
		t.Errorf("once it takes something again it gets % x, want a ping", f)
	}
}

func queueCost(c Conn) int {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if o := c.s.outputs.at(c.r.output); o != nil {
		return o.cost()
	}
	return 0
}

// Pings come at their interval, however long the patience with their answers.
func TestHeartbeatKeepsItsInterval(t *testing.T) {
	s := serve(t, Config{PingInterval: 50 * time.Millisecond, PongTimeout: time.Hour}, nil)
	_, end := join(t, s, 0)
	for range 4 {
		if f := nextFrame(t, end); f[0] != 0x89 {
			t.Fatalf("got % x, want a ping", f)
		}
		end.Write([]byte{0x8a, 0x80, 1, 2, 3, 4})
	}
}
