package netpoll

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// slowReader reads at its own pace.
type slowReader struct{ r io.Reader }

func (r slowReader) Read(p []byte) (int, error) {
	switch rand.IntN(40) {
	case 0:
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond) // a pace, not an order
	case 1, 2, 3:
		p = p[:min(len(p), 1+rand.IntN(50))]
	}
	return r.r.Read(p)
}

// message is what pusher p says as its nth: a payload that can be checked.
func message(p, n, size int) []byte {
	b := fmt.Appendf(nil, "%d/%d/%d:", p, n, size)
	return append(b, bytes.Repeat([]byte{byte('a' + (p+n)%26)}, size)...)
}

// What arrives is what was pushed: whole, once, in order for each pusher, at
// any size of writes.
func TestQueue(t *testing.T) {
	for writeCap := range 18 {
		t.Run(fmt.Sprintf("writes of %d bytes", writeCap), func(t *testing.T) {
			t.Parallel()
			messages, maxSize := 40, 400
			if writeCap == 0 {
				messages, maxSize = 150, 20_000
			}
			if wstest.Long() {
				messages *= 10
			}
			queueProperty(t, writeCap, messages, maxSize)
		})
	}
}

func queueProperty(t *testing.T, writeCap, messages, maxSize int) {
	const pushers = 5 // the last is the client itself, through an echo
	echo := &Funcs{OnMessage: func(c Conn, op ws.OpCode, data []byte) {
		if err := c.Push(op, data); err != nil {
			t.Error(err)
		}
	}}
	s := serve(t, Config{ControlRate: -1, MaxQueue: 1 << 30, MaxMessage: 1 << 20}, echo)
	s.writeLimit = writeCap
	c, end := join(t, s, 4096)
	var all sync.WaitGroup
	defer func() { end.Close(); all.Wait() }()
	push := func(p int, send func(b []byte) error) {
		all.Go(func() {
			for n := range messages {
				if n%2 == p%2 { // all at once into an empty queue
					for i := 0; i < 100 && lag(c) > 0; i++ {
						runtime.Gosched()
					}
				}
				if err := send(message(p, n, rand.IntN(maxSize))); err != nil {
					t.Errorf("pusher %d: %v", p, err)
				}
			}
		})
	}
	push(0, func(b []byte) error { return c.Push(ws.OpText, b) })
	push(1, func(b []byte) error { return c.Push(ws.OpText, b) })
	push(2, func(b []byte) error {
		f, _ := NewFrame(ws.OpText, b)
		return c.PushFrame(f)
	})
	log, at := s.NewLog(Plain), uint64(0)
	push(3, func(b []byte) error { // as a room does
		log.Append(ws.OpText, b)
		cut := log.Next(at)
		at = cut.End()
		defer log.Forget(at)
		return s.Offer(c.ID(), cut)
	})
	push(4, func(b []byte) error { // its pongs come between, but never inside a frame
		_, err := end.Write(append(wstest.Frame(0x81, string(b)), wstest.Frame(0x89, "ping")...))
		return err
	})
	next, total := make([]int, pushers), uint64(end.answer)
	in := slowReader{end.br}
	for left := pushers * messages; left > 0; left-- {
		head, payload, err := readFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		total += uint64(len(head) + len(payload))
		if head[0] == 0x8a && string(payload) == "ping" {
			left++
			continue
		}
		var p, n, size int
		if _, err := fmt.Sscanf(string(payload[:min(len(payload), 40)]), "%d/%d/%d:", &p, &n, &size); err != nil || head[0] != 0x81 {
			t.Fatalf("frame %02x %.50q", head[0], payload)
		}
		if n != next[p] || !bytes.Equal(payload, message(p, n, size)) {
			t.Fatalf("pusher %d's message %d is damaged or out of order, want %d", p, n, next[p])
		}
		next[p]++
	}
	all.Wait()
	wstest.Eventually(t, "the queue is empty", func() bool { return lag(c) == 0 && s.queued.Load() == 0 && s.outputs.Len() == 0 })
	wstest.Eventually(t, "the bytes are counted", func() bool { // a last pong may be on its way
		info, _ := c.Info()
		return info.BytesOut == total || info.BytesOut == total+6
	})
	if info, _ := c.Info(); info.MessagesOut != pushers*uint64(messages) || info.MessagesIn != uint64(messages) {
		t.Errorf("%d messages out, %d in; want %d and %d", info.MessagesOut, info.MessagesIn, pushers*messages, messages)
	}
	if f := c.r.flags.Load(); f&fBlocked != 0 {
		t.Errorf("blocked is left: %b", f)
	}
}

// TestLowWater checks that the low watermark is not above the high one, so that a queue between them has one state.
func TestLowWater(t *testing.T) {
	for _, tt := range []struct{ high, low, want int }{{0, 0, 1 << 16}, {1000, 0, 500}, {1000, 2000, 1000}, {1000, 10, 10}} {
		if c := (Config{HighWater: tt.high, LowWater: tt.low}).withDefaults(); c.LowWater != tt.want {
			t.Errorf("%+v: %d", tt, c.LowWater)
		}
	}
}
