package netpoll

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// TestLend lends sockets; then some connections end, others come, and all change before they move.
func TestLend(t *testing.T) {
	old, m, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	var all []*wstest.Client
	for range 12 {
		all = append(all, wstest.Connect(t, addr))
	}
	half := wstest.Dial(t, addr) // its handshake is not over
	half.SendBytes(wstest.Upgrade()[:30])
	s, heirs, to := heir(t, movingConfig())
	empty := entries(t)
	if n := lend(t, old, to); n != 12 {
		t.Fatalf("%d sockets are lent", n)
	}
	if n := entries(t); n != empty+12 {
		t.Errorf("%d sockets are registered, and %d without the loan", n, empty)
	}
	for c := range old.Conns() {
		switch at, _ := c.Remote(); at.String() {
		case all[0].Conn.LocalAddr().String():
			old.beginClose(c.r, c.gen, closing{cause: Slow})
			m.closedAs(t, c.ID())
		case all[1].Conn.LocalAddr().String():
			c.Close(4000, "server's close")
		}
	}
	all[0].ExpectEOF() // although the heir has the socket open
	all[1].ExpectClose(4000)
	all[2].Leave() // and the next client gets its record
	wstest.Eventually(t, "the connections have ended", func() bool { return openConns(old) == 9 })
	for range 4 {
		all = append(all, wstest.Connect(t, addr))
	}
	all = all[3:]
	for _, c := range all { // the old server serves them, and the heir hears of it
		c.Send(0x81, "to the old one")
		c.Expect(0x81, "to the old one")
	}
	frame, before := wstest.Frame(0x81, "hello"), old.Stats().BytesIn
	for i, c := range all {
		c.SendBytes(frame[:i%len(frame)])
		before += int64(i % len(frame))
	}
	readBytes(t, old, before)
	if moved := handOverTo(t, old, to); moved != len(all)+1 || openConns(s) != len(all) || openConns(old) != 0 {
		t.Fatalf("%d of %d have moved: %d open, %d at the old server", moved, len(all)+1, openConns(s), openConns(old))
	}
	for i, c := range all {
		c.SendBytes(frame[i%len(frame):])
		c.Expect(0x81, "hello")
		c.Leave()
	}
	half.SendBytes(wstest.Upgrade()[30:])
	wstest.Eventually(t, "the connections have ended", func() bool { return heirs.numClosed() == len(all) && openConns(s) == 1 })
	old.Close()
	if n := entries(t); n > empty {
		t.Errorf("%d sockets are registered at the end, and %d before", n, empty)
	}
}

// TestLendWhileClientsLeave ends a connection while its descriptor is on its way. The next file with the same number is not lent.
func TestLendWhileClientsLeave(t *testing.T) {
	old, m, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	c, next := wstest.Connect(t, addr), []*wstest.Client(nil)
	var conn Conn
	for conn = range old.Conns() {
	}
	_, _, to := heir(t, movingConfig())
	err := old.Lend(func(ids []byte, fds []int) error {
		if len(next) == 0 {
			old.beginClose(conn.r, conn.gen, closing{cause: Slow})
			m.closedAs(t, conn.ID())
			c.ExpectEOF()
			next = append(next, wstest.Connect(t, addr))
		}
		return to.Borrow(ids, sent(t, fds...))
	})
	if err != nil {
		t.Fatal(err)
	}
	if moved := handOverTo(t, old, to); moved != 1 {
		t.Errorf("%d have moved", moved)
	}
	next[0].Send(0x81, "to the heir")
	next[0].Expect(0x81, "to the heir")
}

// TestLoanAndFailedHold checks that a connection that ends after a Hold has failed, while the heir still has its socket, tells its client.
func TestLoanAndFailedHold(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	c := wstest.Connect(t, addr)
	_, _, to := heir(t, movingConfig())
	lend(t, old, to)
	begun, end := make(chan bool), make(chan bool)
	old.After(0, func() { close(begun); <-end })
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := old.Hold(ctx); err == nil {
		t.Fatal("the server is held")
	}
	close(end)
	for conn := range old.Conns() {
		old.beginClose(conn.r, conn.gen, closing{cause: Slow})
	}
	c.ExpectEOF()
	to.Release()
	old.TakeBack()
}

// TestLendBlocked moves a connection whose socket takes no more when it is lent. The client reads only after the heir has been told
// that the socket takes output, and before the heir knows that output waits.
func TestLendBlocked(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	c := wstest.Connect(t, addr)
	var conn Conn
	for conn = range old.Conns() {
	}
	text := strings.Repeat("x", 30<<10)
	var want strings.Builder
	for conn.Queued() < 100<<10 {
		want.WriteString("\x81\x7e\x78\x00" + text)
		if err := conn.Push(ws.OpText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	_, _, to := heir(t, movingConfig())
	lend(t, old, to)
	from := hold(t, old)
	to.inherit(t, from)
	in := make([]byte, want.Len())
	there := len(in) - conn.Queued()
	read := func(b []byte) {
		t.Helper()
		c.ResetDeadline()
		if _, err := io.ReadFull(c.Reader, b); err != nil {
			t.Fatal(err)
		}
	}
	read(in[:there]) // all that the kernel has
	if _, err := from.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) }); err != nil {
		t.Fatal(err)
	}
	if err := to.Adopted(); err != nil {
		t.Fatal(err)
	}
	from.Release()
	to.Thaw()
	if read(in[there:]); string(in) != want.String() {
		t.Error("the output has changed on its way")
	}
	c.Leave()
}

// TestLendFails checks that a loan that leads to nothing leaves no socket behind, and that the old server goes on.
func TestLendFails(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	c := wstest.Connect(t, addr)
	var conn Conn
	for conn = range old.Conns() {
	}
	before := wstest.Descriptors(t)
	refused := errors.New("refused")
	if err := old.Lend(func([]byte, []int) error { return refused }); err != refused {
		t.Error(err)
	}
	old.TakeBack()
	if old.lending.Load() {
		t.Error("the server still lends")
	}
	s, _, to := heir(t, movingConfig())
	id := func(i, gen uint32) []byte { return binary.BigEndian.AppendUint64(nil, uint64(gen)<<32|uint64(i)) }
	for name, bad := range map[string][]byte{"no id": nil, "half an id": {1, 2, 3}, "two ids": append(id(0, 1), id(1, 1)...),
		"not in use": id(0, 2), "a number without measure": id(1<<30, 1)} {
		if err := to.Borrow(bad, sent(t, conn.FD())); err == nil {
			t.Errorf("%s: it was borrowed", name)
		}
	}
	lend(t, old, to)
	if err := to.Borrow(id(0, 1), sent(t, conn.FD())); err == nil {
		t.Error("it was borrowed twice")
	}
	to.Release()
	s.Close()
	if now := wstest.Descriptors(t); now != before {
		t.Errorf("%d descriptors, and %d before", now, before)
	}
	from := hold(t, old)
	from.Thaw()
	c.Send(0x81, "to the old one")
	c.Expect(0x81, "to the old one")
	_, _, next := heir(t, movingConfig())
	if moved := handOverTo(t, old, next); moved != 1 { // without a loan
		t.Errorf("%d have moved", moved)
	}
	c.Send(0x81, "to the heir")
	c.Expect(0x81, "to the heir")
}
