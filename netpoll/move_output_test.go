package netpoll

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// TestMoveFullSocket moves connections in the middle of a frame that their clients do not read, and then reads everything.
func TestMoveFullSocket(t *testing.T) {
	for _, extension := range []string{"X: none", "Sec-WebSocket-Extensions: permessage-deflate"} {
		old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
		client := wstest.Connect(t, addr, extension)
		var conn Conn
		for conn = range old.Conns() {
		}
		n := 0
		push := func(c Conn) {
			text := fmt.Sprint(n, strings.Repeat(" x", 20<<10), n)
			if err := c.Push(ws.OpBinary, []byte(text)); err != nil {
				t.Fatal(err)
			}
			n++
		}
		for conn.Queued() < 300<<10 && n < 1000 {
			push(conn)
		}
		s, m, _ := handOver(t, old, movingConfig())
		conn, ok := s.Conn(conn.ID())
		if !ok || conn.Data() != "conn 1" {
			t.Fatalf("the connection is %v, %v", ok, conn.Data())
		}
		push(conn)
		for i := range n {
			if _, got, err := client.ReadMessage(); err != nil || string(got) != fmt.Sprint(i, strings.Repeat(" x", 20<<10), i) {
				t.Fatalf("message %d of %d: %.20q, %v", i, n, got, err)
			}
		}
		client.SendBytes(wstest.Frame(0x81, "hello"))
		if _, got, err := client.ReadMessage(); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		client.Leave()
		if why := m.closedAs(t, conn.ID()); why.Cause != ClientClosed {
			t.Errorf("closed as %v", why)
		}
	}
}

// TestMoveSharedOutput moves clients that do not read and wait for the same frames: these are written down once, and take memory once
// in the new process, as in the old one.
func TestMoveSharedOutput(t *testing.T) {
	const clients, waits = 10, 300 << 10
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	var all []*wstest.Client
	for range clients {
		all = append(all, wstest.Connect(t, addr))
	}
	text := func(i int) string { return fmt.Sprint(i, strings.Repeat(" x", 20<<10)) }
	n := 0
	for least := 0; least < waits; n++ {
		f, err := NewFrame(ws.OpText, []byte(text(n)))
		if err != nil {
			t.Fatal(err)
		}
		least = math.MaxInt
		for c := range old.Conns() {
			if err := c.PushFrame(f); err != nil {
				t.Fatal(err)
			}
			least = min(least, c.Queued())
		}
	}
	before, size := old.queued.Load(), 0
	s, _, to := heir(t, movingConfig())
	from := hold(t, old)
	to.inherit(t, from)
	moved, err := from.Export(true, func(state []byte, fds []int) error {
		size += len(state)
		return to.Adopt(state, sent(t, fds...))
	})
	if err == nil {
		err = to.Adopted()
	}
	if err != nil {
		t.Error(err)
	}
	if most := n*len(text(n)) + clients*4<<10; moved != clients || size > most {
		t.Errorf("%d connections in %d bytes, want at most %d", moved, size, most)
	}
	from.Release()
	if now := s.queued.Load(); now > 3*before/2 || now < waits { // copies have some room at their ends
		t.Errorf("%d bytes are queued, and were %d", now, before)
	}
	to.Thaw()
	for k, client := range all {
		for i := range n {
			if _, got, err := client.ReadMessage(); err != nil || string(got) != text(i) {
				t.Fatalf("client %d, message %d of %d: %.20q, %v", k, i, n, got, err)
			}
		}
	}
}

// TestExportInParts exports clients that do not read: they come in parts of bounded size, whatever waits for them.
func TestExportInParts(t *testing.T) {
	const clients, waits = 8, 400 << 10
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	for range clients {
		wstest.Connect(t, addr)
	}
	text := make([]byte, 30<<10)
	for c := range old.Conns() {
		for c.Queued() < waits {
			if err := c.Push(ws.OpBinary, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	h := hold(t, old)
	defer h.Thaw()
	parts := 0
	moved, err := h.Export(true, func(state []byte, fds []int) error {
		if parts++; len(state) > maxState+waits+2*len(text) {
			t.Errorf("a part of %d connections has %d bytes", len(fds), len(state))
		}
		return nil
	})
	if err != nil || moved != clients || parts < clients*waits/(maxState+waits+2*len(text)) || parts < 2 {
		t.Errorf("%d connections in %d parts, %v", moved, parts, err)
	}
}
