package netpoll_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// Threats that send more than they should: pings, inflated bytes, silence.

// While the output is blocked one pong is pending, the latest; no frame is cut
// by it, and nothing grows.
func TestThreatPingFloodBlocked(t *testing.T) {
	w := newWitness()
	big := pattern(64 << 10)
	w.OnMessage = func(c netpoll.Conn, _ ws.OpCode, _ []byte) {
		for i := range 64 {
			_ = c.Push(ws.OpText, []byte(fmt.Sprint(i, big)))
		}
	}
	srv, addr := start(t, netpoll.Config{ControlRate: -1, MaxQueue: 16 << 20, SendBuffer: 4 << 10}, w)
	c := wstest.Connect(t, addr)
	c.TCP().SetReadBuffer(64 << 10)
	conn := receive(t, "open", w.opened)
	c.Send(text, "fill the socket")
	blocked := func() int { info, _ := conn.Info(); return info.Queued }
	wstest.Eventually(t, "all is pushed, and the socket is full", func() bool {
		info, _ := conn.Info()
		return info.MessagesOut == 64 && settled(conn)
	})
	queued, read := blocked(), bytesIn(conn)
	var b []byte
	for i := range 5000 {
		b = append(b, wstest.Frame(ping, fmt.Sprint("ping ", i))...)
	}
	c.SendBytes(b)
	wstest.Eventually(t, "the pings are read, and their frames decoded", func() bool {
		return bytesIn(conn) == read+uint64(len(b)) && srv.Stats().WorkersBusy == 0
	})
	if n := blocked(); n > queued+131 {
		t.Errorf("5000 pings make the queue grow by %d bytes", n-queued)
	}
	// One earlier pong may have slipped out while the socket was filled; the last is the latest's.
	last := ""
	for i, pongs := 0, 0; i < 64 || last != "ping 4999"; {
		b0, p, err := c.ReadFrame()
		switch {
		case err != nil:
			t.Fatal(err)
		case b0 == pong && pongs < 2:
			pongs++
			last = string(p)
		case b0 == text && string(p) == fmt.Sprint(i, big):
			i++
		default:
			t.Fatalf("message %d, pongs %d: frame %02x %s", i, pongs, b0, wstest.Brief(string(p)))
		}
	}
	c.Send(ping, "and now")
	c.Expect(pong, "and now")
	c.Leave()
}

// settled reports whether the socket has taken nothing for a moment though
// output waits.
func settled(c netpoll.Conn) bool {
	before, _ := c.Info()
	for range 1000 {
		runtime.Gosched()
	}
	after, _ := c.Info()
	return before.Queued > 0 && before.BytesOut == after.BytesOut
}

func TestThreatControlFlood(t *testing.T) {
	w := newWitness()
	_, addr := start(t, netpoll.Config{ControlRate: 100}, w)
	for _, op := range []byte{ping, pong} {
		c := wstest.Connect(t, addr)
		var b []byte
		for range 2000 {
			b = append(b, wstest.Frame(op, "x")...)
		}
		c.Wait()
		go c.Conn.Write(b)
		for pongs := 0; ; pongs++ {
			b0, p, err := c.ReadFrame()
			if err == nil && b0 == pong && pongs < 1000 {
				continue
			}
			if err != nil || b0 != closeOp || !strings.HasPrefix(string(p), wstest.ClosePayload(1008, "")) {
				t.Fatalf("after %d pongs: frame %02x %q, %v; want Close 1008", pongs, b0, p, err)
			}
			break
		}
		c.Conn.Close()
		w.expect(t, netpoll.ControlFlood, 1008)
	}
}

// 60 KB that inflate to 60 MB.
func TestThreatCompressionBomb(t *testing.T) {
	w := newWitness()
	_, addr := start(t, netpoll.Config{}, w)
	mega := deflated(t, 9, strings.Repeat("\x00", 1<<20)) // its references go back 1
	bomb := strings.Repeat(mega+"\x00\x00\xff\xff", 59) + mega
	ways := map[string][]byte{"whole": wstest.Frame(bin|rsv1, bomb)}
	var pieces []byte
	for _, f := range fragmented(bin|rsv1, bomb, 1000) {
		pieces = append(pieces, wstest.Frame(f.b0, f.payload)...)
	}
	ways["in fragments"] = pieces
	for name, b := range ways {
		t.Run(name, func(t *testing.T) {
			c := wstest.Connect(t, addr, "Sec-WebSocket-Extensions: permessage-deflate")
			before := allocated()
			c.SendBytes(b)
			c.ExpectClose(tooBig)
			w.expect(t, netpoll.TooBig, tooBig)
			if n := allocated() - before; n > 16<<20 {
				t.Errorf("%d bytes were allocated for a bomb at a limit of 1 MiB", n)
			}
		})
	}
	c := wstest.Connect(t, addr, "Sec-WebSocket-Extensions: permessage-deflate")
	c.Send(bin|rsv1, mega) // what is just allowed
	b0, p, err := c.ReadFrame()
	if back, e := inflated(p); b0 != bin|rsv1 || err != nil || e != nil || len(back) != 1<<20 {
		t.Fatalf("1 MiB of zeros: frame %02x of %d bytes, %v, %v", b0, len(p), err, e)
	}
	c.Leave()
}

// A peer that vanishes: pinged, then closed, and the handler is told once.
func TestThreatHalfOpenPeer(t *testing.T) {
	t.Parallel()
	w := newWitness()
	_, addr := serveAt(t, netpoll.Config{PingInterval: 200 * time.Millisecond, PongTimeout: 2 * time.Second}, w, false)
	gone, alive := wstest.Connect(t, addr), wstest.Connect(t, addr)
	go func() {
		for { // the client that is there answers
			b0, p, err := alive.ReadFrame()
			if err != nil {
				return
			}
			if b0 == ping {
				alive.Conn.Write(wstest.Frame(pong, string(p)))
			}
		}
	}()
	b0, _, err := gone.ReadFrame()
	if err != nil || b0 != ping {
		t.Fatalf("frame %02x, %v; want a ping", b0, err)
	}
	gone.ResetDeadline()
	if _, err := io.Copy(io.Discard, gone.Reader); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	w.expect(t, netpoll.PongTimeout, ws.StatusAbnormalClosure)
	first, second := receive(t, "open", w.opened), receive(t, "open", w.opened)
	if first.Exists() == second.Exists() {
		t.Error("want one of the two closed")
	}
	alive.Conn.Close()
	w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)
	if len(w.closed) != 0 {
		t.Errorf("closed again: %v", <-w.closed)
	}
}
