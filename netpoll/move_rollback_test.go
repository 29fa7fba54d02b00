package netpoll

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

// TestRollback checks that a server goes on after Thaw as if nothing had been, also if another process has had all its
// descriptors, and that it loses nothing that happens meanwhile.
func TestRollback(t *testing.T) {
	before := wstest.Descriptors(t)
	s, m, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	var clients []*wstest.Client
	for range 300 {
		clients = append(clients, wstest.Connect(t, addr))
	}
	var ticks atomic.Int64
	s.Tick(time.Millisecond, func() { ticks.Add(1) })
	turn := s.NewTurn(func() bool { ticks.Add(1); return false })
	for _, step := range []string{"hold", "freeze", "export", "adopt", "fail"} {
		ctx := context.Background()
		h, err := s.Hold(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Hold(ctx); err != ErrHeld {
			t.Errorf("held twice: %v", err)
		}
		if step != "hold" {
			if err := h.Freeze(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range clients {
			c.SendBytes(wstest.Frame(0x81, "meanwhile"))
		}
		late := wstest.Dial(t, addr)
		late.SendBytes(wstest.Upgrade())
		switch step {
		case "export":
			_, err = h.Export(true, func(_ []byte, fds []int) error {
				for _, fd := range sent(t, fds...) {
					unix.Close(fd) // the other process has died
				}
				return nil
			})
		case "fail":
			refused := errors.New("the other process has died")
			if _, err = h.Export(true, func([]byte, []int) error { return refused }); err == refused {
				err = nil
			}
		case "adopt":
			_, _, to := successor(t, movingConfig(), h)
			_, err = h.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) })
			to.Release()
		}
		if err != nil {
			t.Fatal(err)
		}
		if step != "hold" {
			was := ticks.Load()
			turn.Wake()
			if n := ticks.Load(); n != was {
				t.Errorf("%s: a timer or a turn runs", step)
			}
		}
		h.Thaw()
		was := ticks.Load()
		wstest.Eventually(t, "timers run", func() bool { return ticks.Load() > was+1 })
		for _, c := range clients {
			c.Expect(0x81, "meanwhile")
			c.Send(0x81, "after")
			c.Expect(0x81, "after")
		}
		if r := late.Response(); r.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: a client that has come meanwhile gets %s", step, r.Status)
		}
		late.Leave()
	}
	if m.numClosed() > 5 || s.Stats().Panics != 0 {
		t.Errorf("%d were closed, %d panics", m.numClosed(), s.Stats().Panics)
	}
	for _, c := range clients {
		c.Leave()
	}
	s.Close()
	for _, c := range clients {
		c.Conn.Close()
	}
	wstest.NoDescriptorsLeft(t, before+10) // of closed servers and the late clients
}

// TestLatePush checks that a push after Export is noticed before anything is lost, and arrives after Thaw.
func TestLatePush(t *testing.T) {
	s, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	client := wstest.Connect(t, addr)
	h := hold(t, s)
	if len(stateOf(t, h)) != 1 {
		t.Fatal("nothing moves")
	}
	if err := h.Commit(); err != nil {
		t.Errorf("without a push: %v", err)
	}
	for c := range s.Conns() {
		if err := c.Push(ws.OpText, []byte("late")); err != nil {
			t.Error(err)
		}
	}
	if err := h.Commit(); err != ErrChanged {
		t.Errorf("after a push: %v", err)
	}
	h.Thaw()
	client.Expect(0x81, "late")
}

// TestHoldWaits checks that Hold waits for a callback, and that the server goes on if it waits in vain.
func TestHoldWaits(t *testing.T) {
	begun, release := make(chan bool), make(chan bool)
	s := New(movingConfig(), &Funcs{OnMessage: func(c Conn, op ws.OpCode, data []byte) {
		begun <- true
		<-release
		c.Push(op, data)
	}})
	addr, err := s.Listen(Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := wstest.Connect(t, addr.String())
	client.Send(0x81, "slow")
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Hold(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v; want %v", err, context.DeadlineExceeded)
	}
	close(release)
	client.Expect(0x81, "slow")
	h := hold(t, s)
	if all := stateOf(t, h); len(all) != 0 {
		t.Errorf("%d connections of a handler that is no Mover move", len(all))
	}
	h.Thaw()
	s.Close()
	if _, err := s.Hold(context.Background()); err != ErrServerClosed {
		t.Errorf("after its end: %v", err)
	}
}

// TestRehearsal checks that a state can be tried without sockets, and that no change of a byte makes Restore or Adopt panic.
func TestRehearsal(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	wstest.Connect(t, addr).SendBytes([]byte{0x81})
	wstest.Dial(t, addr).SendBytes([]byte("GET"))
	readBytes(t, old, int64(len(wstest.Upgrade()))+4)
	h := hold(t, old)
	defer h.Thaw()
	server := h.State()
	var conns []byte
	if n, err := h.Export(true, func(state []byte, _ []int) error { conns = bytes.Clone(state); return nil }); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	rehearse := func(server, conns []byte) error {
		s := New(movingConfig(), &mover{})
		defer s.Close()
		to := hold(t, s)
		defer to.Release()
		if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
			t.Fatal(err)
		}
		if err := to.Restore(server); err != nil {
			return err
		}
		return to.Adopt(conns, nil)
	}
	if err := rehearse(server, conns); err != nil {
		t.Errorf("the state as it is: %v", err)
	}
	step := 3
	if wstest.Long() {
		step = 1
	}
	refused := 0
	for i := 0; i < len(conns); i += step {
		bad := bytes.Clone(conns)
		bad[i] ^= 1 << (i % 8)
		if rehearse(server, bad) != nil || rehearse(server, conns[:i]) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no change was noticed")
	}
	if err := rehearse(server, append(bytes.Clone(conns), conns...)); err == nil {
		t.Error("a connection was adopted twice")
	}
	if err := rehearse([]byte{0xff}, nil); err == nil {
		t.Error("garbage for the state of a server")
	}
}

// TestAdoptedFails checks that a connection that epoll refuses ends the adoption, and that the old server goes on.
func TestAdoptedFails(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	client := wstest.Connect(t, addr)
	h := hold(t, old)
	_, _, to := successor(t, movingConfig(), h)
	_, err := h.Export(true, func(state []byte, fds []int) error {
		file, err := unix.Open(os.Args[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return to.Adopt(state, []int{file})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Adopted(); !errors.Is(err, unix.EPERM) {
		t.Errorf("a file was adopted: %v", err)
	}
	to.Release()
	h.Thaw()
	client.Send(0x81, "still here")
	client.Expect(0x81, "still here")
}

// TestAdoptFails checks that nothing of a connection is left in a server whose handler refuses it, nor a descriptor.
func TestAdoptFails(t *testing.T) {
	before := wstest.Descriptors(t)
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	client := wstest.Connect(t, addr)
	wstest.Connect(t, addr)
	for name, took := range map[string]func(Conn, string) error{
		"an error": func(Conn, string) error { return errors.New("no") },
		"a panic":  func(Conn, string) error { panic("no") },
	} {
		h := hold(t, old)
		s, m, to := successor(t, movingConfig(), h)
		m.took = took
		if _, err := h.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) }); err == nil {
			t.Errorf("%s: adopted", name)
		}
		to.Release()
		h.Thaw()
		s.Close()
		if n := s.Stats().Open + s.open.Load(); n != 0 || s.addrs.Len() != 0 {
			t.Errorf("%s: %d connections and %d addresses are left", name, n, s.addrs.Len())
		}
		client.Send(0x81, name)
		client.Expect(0x81, name)
	}
	old.Close()
	wstest.NoDescriptorsLeft(t, before+2) // the clients'
}
