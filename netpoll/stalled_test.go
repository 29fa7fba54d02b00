package netpoll

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/wstest"

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
	ended := false
	endWrite := func() {
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		if !ended {
			s.endWriteLocked(c.r)
		}
		ended = true
	}
	defer endWrite() // else the server waits for it for ever
	read := 0
	for read < n/2 { // there is room: the edge comes
		nextFrame(t, end)
		read++
	}
	wstest.Eventually(t, "the turn found the bit taken", func() bool {
		if read < n-1 { // how much room makes an edge is the kernel's business
			nextFrame(t, end)
			read++
		}
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		return c.r.w&wAgain != 0
	})
	endWrite()
	for ; read < n; read++ {
		nextFrame(t, end)
	}
}

// Tiny frames cost what they cost, not what they say; and all of them leave in
// order.
func TestQueueTinyFrames(t *testing.T) {
	s := serve(t, Config{}, nil)
	most := s.cfg().MaxQueue / output.BufferCost
	push := func(c Conn, n int) (i int, err error) {
		for ; i < n && err == nil; i++ {
			err = c.Push(ws.OpBinary, []byte{byte(i), byte(i >> 8)})
		}
		return i, err
	}
	slow, _ := join(t, s, 4096)
	fill(t, slow)
	if n, err := push(slow, most); !errors.Is(err, ErrSlow) || n < most/2 {
		t.Fatalf("%d frames of 4 bytes wait at the limit of %d: %v", n, s.cfg().MaxQueue, err)
	}
	c, end := join(t, s, 4096)
	sent := fill(t, c)
	n, err := push(c, most/2)
	if err != nil {
		t.Fatalf("%d frames: %v", n, err)
	}
	if held := s.queued.Load(); held < int64(n*output.BufferCost) {
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
	wstest.Eventually(t, "nothing is held", func() bool { return s.queued.Load() == 0 })
}

// A socket that takes nothing is WriteTimeout's to judge, not the heartbeat's:
// its pong would wait behind what it does not take. That goes for a ping that
// was sent before, too.
func TestHeartbeatSparesTheBlocked(t *testing.T) {
	const interval = 50 * time.Millisecond
	s := serve(t, Config{PingInterval: interval, PongTimeout: 20 * interval, WriteTimeout: time.Hour, MaxQueue: 100_000}, nil)
	c, end := join(t, s, 4096)
	if f := nextFrame(t, end); f[0] != 0x89 {
		t.Fatalf("got % x, want a ping", f)
	}
	n := 0
	for ; ; n++ { // to the brim: not even a ping's 2 bytes would find room
		size := s.cfg().MaxQueue - queueCost(c) - 10
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
	at := s.clock.Last.Load()
	wstest.Eventually(t, "pongs are overdue", func() bool { return s.clock.Last.Load()-at > 30*s.cfg().pings.Interval || !c.Exists() })
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
	if o := c.s.outputs.At(c.r.output); o != nil {
		return o.Cost()
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

// A frame that waits in queues of two servers counts in both, and both forget
// it.
func TestQueueFrameOfTwoServers(t *testing.T) {
	f, err := NewFrame(ws.OpBinary, make([]byte, 100_000))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is at home in the first server
		var servers []*Server
		var ends []*peerEnd
		var sent []int
		for range 2 {
			s := serve(t, Config{}, nil)
			c, end := join(t, s, 4096)
			sent = append(sent, fill(t, c)+1)
			if err := c.PushFrame(f); err != nil {
				t.Fatal(err)
			}
			servers, ends = append(servers, s), append(ends, end)
		}
		for i, s := range servers {
			if n := s.queued.Load(); n < 100_000 {
				t.Errorf("server %d counts %d bytes", i, n)
			}
			for range sent[i] {
				nextFrame(t, ends[i])
			}
			wstest.Eventually(t, "nothing is held", func() bool { return s.queued.Load() == 0 })
		}
	}
}

// A message that only the cork held back closes nobody.
func TestQueueCorkClosesNobody(t *testing.T) {
	var failed atomic.Int64
	s := serve(t, Config{MaxQueue: 5000}, &Funcs{OnMessage: func(c Conn, op ws.OpCode, _ []byte) {
		for range 20 {
			if c.Push(op, make([]byte, 1000)) != nil {
				failed.Add(1)
			}
		}
	}})
	_, end := join(t, s, 0)
	end.Write(wstest.Frame(0x82, "x"))
	for range 20 {
		nextFrame(t, end)
	}
	if n := failed.Load(); n != 0 {
		t.Errorf("%d errors, and all arrived", n)
	}
}

// The largest lag is what is held, not what is said: tiny frames are large.
func TestQueueEvictsWhoHoldsMost(t *testing.T) {
	closed := make(chan Conn, 10)
	s := serve(t, Config{}, &Funcs{OnClose: func(c Conn, _ Closed) { closed <- c }})
	tiny, _ := join(t, s, 4096)
	fill(t, tiny)
	for range 3000 {
		if err := tiny.Push(ws.OpBinary, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	large, _ := join(t, s, 4096)
	fill(t, large)
	if err := large.Push(ws.OpBinary, make([]byte, 60_000)); err != nil || lag(large) < 2*lag(tiny) {
		t.Fatalf("%v; their lags are %d and %d", err, lag(large), lag(tiny))
	}
	s.queued.SetLimit(s.queued.Load() - 1)
	if c := <-closed; c != tiny {
		t.Error("closed is who holds less")
	}
	if !large.Exists() {
		t.Error("closed are both")
	}
}

// Nothing follows a Close frame: a push that had to flush first looks again
// whether the connection was closed meanwhile.
func TestQueueNothingFollowsClose(t *testing.T) {
	started := make(chan Conn)
	s := serve(t, Config{MaxQueue: 60_000, CloseTimeout: 300 * time.Millisecond}, &Funcs{OnMessage: func(c Conn, op ws.OpCode, _ []byte) {
		for i := range 61 {
			if i == 55 {
				started <- c
			}
			_ = c.Push(op, make([]byte, 900))
		}
	}})
	s.writeLimit = 500
	for range 200 {
		_, end := join(t, s, 0)
		end.Write(wstest.Frame(0x82, "x"))
		c := <-started
		if err := c.Close(1000, ""); err != nil {
			t.Fatal(err)
		}
		closed := false
		for {
			head, _, err := readFrame(end.br)
			if err != nil {
				break
			}
			if closed {
				t.Fatalf("frame %02x follows the Close frame", head[0])
			}
			if closed = head[0] == 0x88; closed {
				end.Write(wstest.Frame(0x88, wstest.ClosePayload(1000, "")))
			}
		}
		end.Close()
	}
}

// What a message inflates to is work: a turn ends with it, and others are let
// through.
func TestTurnEndsWithWhatIsInflated(t *testing.T) {
	const total = 50
	var since, most int // owned by the only worker
	done := make(chan struct{})
	messages := 0
	s := serve(t, Config{Workers: 1}, &Funcs{OnMessage: func(Conn, ws.OpCode, []byte) {
		since++
		most = max(most, since)
		if messages++; messages == total {
			close(done)
		}
	}})
	others := s.NewTurn(func() bool {
		since = 0
		return messages < total
	})
	_, end := join(t, s, 0, "Sec-WebSocket-Extensions: permessage-deflate")
	zeros := frame.Compress(make([]byte, s.cfg().MaxMessage), false)
	defer zeros.Free()
	one := wstest.Frame(0xc2, string(zeros.Bytes()))
	others.Wake()
	end.SetDeadline(time.Time{}) // 50 MiB take a loaded machine a while
	go end.Write(bytes.Repeat(one, total))
	<-done
	if most > 2 {
		t.Errorf("%d messages of 1 MiB in one turn", most)
	}
}

// Who waits for what everybody is sent holds little of it, however far behind:
// who hoards goes first.
func TestQueueEvictsHoarders(t *testing.T) {
	closed := make(chan Conn, 100)
	s := serve(t, Config{}, &Funcs{OnClose: func(c Conn, _ Closed) { closed <- c }})
	f, err := NewFrame(ws.OpBinary, make([]byte, 500_000))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		c, _ := join(t, s, 4096)
		if err := c.PushFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	hoarder, _ := join(t, s, 4096)
	fill(t, hoarder)
	for range 4 {
		if err := hoarder.Push(ws.OpBinary, make([]byte, 50_000)); err != nil {
			t.Fatal(err)
		}
	}
	s.queued.SetLimit(s.queued.Load() - 1)
	if c := <-closed; c != hoarder {
		t.Errorf("closed is who waits for 500 KB that 19 others wait for too")
	}
}
