package netpoll_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// Answering "later" keeps the order and holds no worker.
func TestLater(t *testing.T) {
	dones := make(chan func(), 1)
	var order []string // of the held connection, on its turn
	s, addr := start(t, netpoll.Config{Workers: 1}, &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
		if string(data) == "wait" {
			dones <- c.Later()
		}
		order = append(order, string(data))
		_ = c.Push(op, data)
	}})
	held, other := wstest.Connect(t, addr), wstest.Connect(t, addr)
	held.SendBytes(append(append(wstest.Frame(text, "wait"), wstest.Frame(text, "behind")...), wstest.Frame(text, "last")...))
	done := receive(t, "the message", dones)
	other.Send(text, "served")
	other.Expect(text, "served")
	held.Expect(text, "wait")
	if n := s.Stats().MessagesIn; n != 2 {
		t.Errorf("%d messages decoded while one is held", n)
	}
	go func() { done(); done() }()
	held.Expect(text, "behind")
	held.Expect(text, "last")
	other.Leave()
	held.Leave()
}

// What a turn has still to write is not what the socket has refused.
func TestQueuedIsWhatTheSocketRefused(t *testing.T) {
	queued := make(chan int, 2)
	_, addr := start(t, netpoll.Config{}, &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
		_ = c.Push(op, data)
		info, _ := c.Info()
		queued <- c.Queued()
		queued <- info.Queued
	}})
	c := wstest.Connect(t, addr)
	c.Send(text, "back")
	c.Expect(text, "back")
	for range 2 {
		if got := receive(t, "the message", queued); got != 0 {
			t.Errorf("%d bytes are queued", got)
		}
	}
	c.Leave()
}

func TestPauseResume(t *testing.T) {
	w := newWitness()
	opened, first := w.OnOpen, sync.Once{}
	w.OnOpen = func(c netpoll.Conn, r *netpoll.Request) {
		first.Do(c.Pause) // before any ping
		opened(c, r)
	}
	_, addr := start(t, netpoll.Config{PingInterval: 100 * time.Millisecond, PongTimeout: 100 * time.Millisecond}, w)
	c := wstest.Connect(t, addr)
	conn := receive(t, "open", w.opened)
	c.Send(text, "unread")
	watch := wstest.Connect(t, addr)
	receive(t, "open", w.opened)
	w.expect(t, netpoll.PongTimeout, 1006) // the watch's; the paused one is left alone
	watch.Conn.Close()
	if info, ok := conn.Info(); !ok || info.MessagesIn != 0 || !conn.Exists() {
		t.Errorf("paused: %+v, %v", info, ok)
	}
	conn.Protect(true)
	conn.Resume()
	c.Expect(text, "unread")
	again := wstest.Connect(t, addr)
	w.expect(t, netpoll.PongTimeout, 1006)
	again.Conn.Close()
	if !conn.Exists() {
		t.Error("a protected connection is closed by the heartbeat")
	}
	c.Leave()
}

func TestTimers(t *testing.T) {
	s, _ := start(t, netpoll.Config{}, nil)
	ticks, once := make(chan int, 100), make(chan bool, 10)
	n := 0
	tick := s.Tick(time.Millisecond, func() { n++; ticks <- n })
	for want := range 3 {
		if got := receive(t, "tick", ticks); got != want+1 {
			t.Errorf("tick %d, want %d", got, want+1)
		}
	}
	tick.Stop()
	tick.Stop()
	s.After(time.Millisecond, func() { once <- true })
	receive(t, "after", once)
	var never atomic.Bool
	s.After(time.Hour, func() { never.Store(true) }).Stop()
	late := s.After(time.Hour, func() { never.Store(true) }) // Shutdown ends it
	s.Shutdown(context.Background(), 0)
	late.Stop()
	s.After(0, func() { never.Store(true) })
	if len(once) != 0 || never.Load() {
		t.Error("a timer came that was stopped, or twice")
	}
}

// Pushes from within every callback, iteration, and methods after the end.
func TestConnMethods(t *testing.T) {
	closed := make(chan error, 1)
	conns := make(chan netpoll.Conn, 1)
	s, addr := start(t, netpoll.Config{}, &netpoll.Funcs{
		OnOpen: func(c netpoll.Conn, _ *netpoll.Request) {
			c.SetData(1)
			_ = c.Push(ws.OpText, []byte("opened"))
			_ = c.Ping([]byte("p"))
			conns <- c
		},
		OnMessage: func(c netpoll.Conn, _ ws.OpCode, _ []byte) { _ = c.Push(ws.OpText, []byte("got it")) },
		OnClose: func(c netpoll.Conn, _ netpoll.Closed) {
			if info, ok := c.Info(); !ok || info.MessagesIn != 1 || c.Data() != 1 || c.FD() < 0 || c.Exists() {
				panic("in Close the connection has forgotten itself")
			}
			closed <- c.Push(ws.OpText, []byte("too late"))
		},
	})
	c := wstest.Connect(t, addr)
	c.Expect(text, "opened")
	c.Expect(ping, "p")
	c.Send(text, "hi")
	c.Expect(text, "got it")
	conn := <-conns
	seen := 0
	for o := range s.Conns() {
		if seen++; o != conn {
			t.Errorf("%v is open", o)
		}
	}
	found, ok := s.Conn(conn.ID())
	if info, _ := conn.Info(); seen != 1 || !ok || found != conn || info.MessagesOut != 2 || info.BytesIn == 0 || info.Opened.IsZero() || info.ID != conn.ID() {
		t.Errorf("%d open, found %v, info %+v", seen, ok, info)
	}
	for what, err := range map[string]error{
		"close code 1005": conn.Close(1005, ""), "a long ping": conn.Ping(make([]byte, 126)),
		"a push of a ping": conn.Push(ws.OpPing, nil), "bad text": conn.Push(ws.OpText, []byte{0xff}),
	} {
		if err != netpoll.ErrBadFrame {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.Leave()
	if err := receive(t, "close", closed); err != netpoll.ErrClosed {
		t.Errorf("Push inside Close: %v", err)
	}
	var zero netpoll.Conn
	wstest.Eventually(t, "the record is free", func() bool { _, ok := conn.Info(); return !ok })
	for _, c := range []netpoll.Conn{conn, zero} {
		c.Pause()
		c.Resume()
		c.Later()()
		if _, ok := c.Info(); ok || c.Exists() || c.Push(ws.OpText, nil) != netpoll.ErrClosed || c.Close(0, "") != netpoll.ErrClosed ||
			c.Ping(nil) != netpoll.ErrClosed || c.SetData(1) || c.SetTag(1) || c.Data() != nil || c.Tag() != 0 || c.FD() != -1 || c.Variant() != netpoll.Plain {
			t.Error("a connection that is gone answers")
		}
	}
	for range s.Conns() {
		t.Error("a connection is open")
	}
}
