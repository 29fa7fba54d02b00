package netpoll

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"webim/netpoll/internal/encode"
	"webim/netpoll/internal/output"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// fill pushes until something waits for room, and returns what the client is to get.
func fill(t *testing.T, c Conn) (sent int) {
	t.Helper()
	full := func() bool {
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		return c.r.w&wBit == 0 && c.r.flags.Load()&fBlocked != 0
	}
	for !full() {
		if lag(c) != 0 { // because another writes just now, or the turn will at its end
			runtime.Gosched()
			continue
		}
		if err := c.Push(ws.OpBinary, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	return sent
}

// Cuts that follow each other in memory are one reference.
func TestQueueMergesCuts(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, _ := join(t, s, 4096)
	fill(t, c)
	refs := func() int {
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		return len(s.outputs.At(c.r.output).Live())
	}
	log, at := s.NewLog(Plain), uint64(0)
	before := refs()
	for i := range 20 {
		log.Append(ws.OpText, []byte("twenty to a segment"))
		cut := log.Next(at)
		if err := s.Offer(c.ID(), cut); err != nil {
			t.Fatal(err)
		}
		if at = cut.End(); refs() != before+1 {
			t.Fatalf("%d references after cut %d, want %d", refs(), i, before+1)
		}
	}
	cut := log.Next(0)
	for range 2 { // the same again is no continuation
		s.Offer(c.ID(), cut)
	}
	if refs() != before+3 {
		t.Errorf("%d references after the same cut twice, want %d", refs(), before+3)
	}
}

// A connection whose queue is at its limit is closed with a reason: its client gets a part
// of what was pushed, without a hole, and then the end. Others are served.
func TestQueueFull(t *testing.T) {
	closed := make(chan Closed, 10)
	s := serve(t, Config{MaxQueue: 20_000}, &Funcs{OnClose: func(_ Conn, why Closed) { closed <- why }})
	c, end := join(t, s, 4096)
	other, otherEnd := join(t, s, 4096)
	pushed := 0
	var err error
	for ; err == nil && pushed < 100; pushed++ {
		err = c.Push(ws.OpText, message(0, pushed, 1000))
	}
	if pushed--; !errors.Is(err, ErrSlow) {
		t.Fatalf("after %d messages: %v", pushed, err)
	}
	for range 10 {
		if err := c.Push(ws.OpText, message(0, pushed, 1000)); !errors.Is(err, ErrSlow) && !errors.Is(err, ErrClosed) {
			t.Errorf("behind the limit: %v", err)
		}
	}
	n := 0
	for ; ; n++ {
		_, payload, err := readFrame(end.br)
		if err != nil {
			break
		}
		if !bytes.Equal(payload, message(0, n, 1000)) {
			t.Fatalf("message %d: %.40q", n, payload)
		}
	}
	if why := <-closed; why.Cause != Slow || n >= pushed {
		t.Errorf("closed as %v after %d of %d messages", why, n, pushed)
	}
	if err := other.Push(ws.OpText, []byte("hi")); err != nil || string(nextFrame(t, otherEnd)[2:]) != "hi" {
		t.Error("another connection is not served")
	}
}

// Replies do not count in the limit, however many and large they are; messages between
// and behind them have all of it, and no more.
func TestQueueRepliesDoNotCount(t *testing.T) {
	const maxQueue, replies = 20_000, 10
	big := bytes.Repeat([]byte("x"), 300_000)
	const taken = maxQueue / (1000 + output.BufferCost) * 9 / 10
	s := serve(t, Config{MaxQueue: maxQueue}, &Funcs{})
	c, end := join(t, s, 4096)
	small := message(0, 0, 1000)
	for i := range replies + taken + 1 {
		if i < replies || i == replies+taken {
			if err := c.Reply(ws.OpText, big); err != nil {
				t.Fatalf("reply %d: %v", i, err)
			}
		} else if err := c.Push(ws.OpText, small); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	for n := range replies + taken + 1 {
		want := big
		if n >= replies && n < replies+taken {
			want = small
		}
		if _, payload, err := readFrame(end.br); err != nil || !bytes.Equal(payload, want) {
			t.Fatalf("message %d: %.40q, %v", n, payload, err)
		}
	}
	// The client may have read it all before the writer has counted it out.
	wstest.Eventually(t, "the queue is empty", func() bool { return s.queued.Load() == 0 && s.outputs.Len() == 0 })
	for range replies {
		_ = c.Reply(ws.OpText, big)
	}
	// The bytes that the socket takes of the first reply may count as replies that wait.
	for range (maxQueue + 10_000) / 1000 {
		_ = c.Push(ws.OpText, small)
	}
	if err := c.Push(ws.OpText, small); !errors.Is(err, ErrSlow) && !errors.Is(err, ErrClosed) {
		t.Errorf("messages above the limit: %v", err)
	}
}

// One message may exceed the limit if nothing waits before it: pushed from
// outside, and from within the connection's turn. A second one may not.
func TestQueueOverlarge(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 300_000)
	pushed := make(chan error, 10)
	s := serve(t, Config{MaxQueue: 1000}, &Funcs{OnMessage: func(c Conn, op ws.OpCode, what []byte) {
		for range what {
			pushed <- c.Push(op, big)
		}
	}})
	for _, within := range []bool{false, true} {
		for _, times := range []string{"1", "22"} {
			c, end := join(t, s, 4096)
			if within {
				end.Write(wstest.Frame(0x81, times))
			} else {
				for range times {
					pushed <- c.Push(ws.OpText, big)
				}
			}
			if err := <-pushed; err != nil {
				t.Errorf("within %v: %v", within, err)
			}
			if len(times) > 1 {
				if err := <-pushed; !errors.Is(err, ErrSlow) {
					t.Errorf("within %v, behind it: %v", within, err)
				}
				continue
			}
			if _, payload, err := readFrame(end.br); err != nil || !bytes.Equal(payload, big) {
				t.Errorf("within %v: got %d bytes, %v", within, len(payload), err)
			}
		}
	}
}

// The callbacks of the watermarks alternate, and never run beside another.
func TestQueueWatermarks(t *testing.T) {
	var busy atomic.Bool
	var calls strings.Builder // on the turn only
	var full, drained, beside atomic.Int64
	alone := func(f func()) {
		if busy.Swap(true) {
			beside.Add(1)
		}
		f()
		busy.Store(false)
	}
	s := serve(t, Config{MaxQueue: 1 << 20, HighWater: 20_000, LowWater: 5000, Workers: 2}, &Funcs{
		OnFull:    func(Conn) { alone(func() { calls.WriteByte('F'); full.Add(1) }) },
		OnDrained: func(Conn) { alone(func() { calls.WriteByte('D'); drained.Add(1) }) },
		OnMessage: func(c Conn, op ws.OpCode, data []byte) {
			alone(func() {
				for range len(data) {
					_ = c.Push(ws.OpBinary, make([]byte, 1000))
				}
			})
		},
	})
	c, end := join(t, s, 4096)
	for range 20 {
		sent := 0
		for ; lag(c) <= 20_000; sent++ {
			if err := c.Push(ws.OpBinary, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		wstest.Eventually(t, "it is told that the queue is full", func() bool { return full.Load() == drained.Load()+1 })
		for range sent {
			nextFrame(t, end)
		}
		wstest.Eventually(t, "the queue is drained and it is told", func() bool { return full.Load() == drained.Load() })
	}
	// A burst within a turn crosses both marks before anybody can be told.
	burst, rest := join(t, s, 1<<20)
	for range 20 {
		rest.Write(wstest.Frame(0x81, strings.Repeat("x", 30)))
		for range 30 {
			nextFrame(t, rest)
		}
	}
	wstest.Eventually(t, "the turns end", func() bool { return burst.r.turn.String() == "idle" && c.r.turn.String() == "idle" })
	if text := calls.String(); strings.Contains(text, "FF") || strings.Contains(text, "DD") || text[0] != 'F' || full.Load() != drained.Load() {
		t.Errorf("called in the order %s", text)
	}
	if n := beside.Load(); n > 0 {
		t.Errorf("%d calls came beside another", n)
	}
}

// At the total the largest lag goes first, and only as many as must. What counts is the
// memory, which may be a fifth more than the message.
func TestQueueEviction(t *testing.T) {
	closed := make(chan Conn, 10)
	cause := make(chan Cause, 10)
	s := serve(t, Config{MaxQueued: 200_000}, &Funcs{OnClose: func(c Conn, why Closed) { closed <- c; cause <- why.Cause }})
	var conns []Conn
	for _, size := range []int{40_000, 80_000, 60_000} {
		c, _ := join(t, s, 4096)
		if err := c.Push(ws.OpBinary, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if n := s.queued.Load(); n < 180_000 || n > 190_000 || len(closed) != 0 {
		t.Fatalf("%d bytes are held, %d connections closed", n, len(closed))
	}
	if err := conns[0].Push(ws.OpBinary, make([]byte, 25_000)); err != nil {
		t.Fatal(err)
	}
	if c := <-closed; c != conns[1] {
		t.Errorf("not the largest lag is closed")
	}
	if why := <-cause; why != OutOfMemory {
		t.Errorf("closed as %v", why)
	}
	wstest.Eventually(t, "the memory is free", func() bool { return s.queued.Load() < 140_000 })
	wstest.Eventually(t, "it is counted", func() bool { return s.Stats().Evictions > 0 })
	if n := s.Stats().Evictions; n != 1 || !conns[0].Exists() || !conns[2].Exists() {
		t.Errorf("%d evictions; the others exist: %v %v", n, conns[0].Exists(), conns[2].Exists())
	}
}

// A shared frame counts once in the total, for as long as anybody waits for it.
func TestQueueSharedFrame(t *testing.T) {
	s := serve(t, Config{MaxQueued: 150_000}, nil)
	f, _ := NewFrame(ws.OpBinary, make([]byte, 100_000))
	var ends []*peerEnd
	for range 10 {
		c, end := join(t, s, 4096)
		ends = append(ends, end)
		if err := c.PushFrame(f); err != nil {
			t.Fatal(err)
		}
		if n := s.queued.Load(); n != int64(f.frame.Variant(encode.Plain, 0).Size())+output.RefSize*int64(len(ends)) || lag(c) < 50_000 {
			t.Fatalf("%d bytes are held for %d receivers, this one's lag is %d", n, len(ends), lag(c))
		}
	}
	for i, end := range ends {
		// The client may have read it all before the writer has counted it out.
		wstest.Eventually(t, "the frame is held once, for those who wait", func() bool {
			return s.queued.Load() == int64(f.frame.Variant(encode.Plain, 0).Size())+output.RefSize*int64(len(ends)-i)
		})
		nextFrame(t, end)
	}
	wstest.Eventually(t, "nothing is held", func() bool { return s.queued.Load() == 0 })
	if n := s.Stats().Evictions; n != 0 {
		t.Errorf("%d evictions", n)
	}
}
