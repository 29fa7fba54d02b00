package roomtest

import (
	"cmp"
	"context"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/mux"
)

// A Node is a hub with its server, which can move to another node, as in a live upgrade. Each node has a memory engine
// of its own.
type Node struct {
	Hub    *room.Hub
	Server *netpoll.Server
	Addr   string

	// Meanwhile, if not nil, is called in Successor, when the successor has the state of the engine and no connections: before its
	// hub starts, and again after that.
	Meanwhile func(next *Node, started bool)

	t       testing.TB
	handler *mux.Handler
	held    *netpoll.Held
}

// Start serves a hub on a free port until the test ends.
func Start(t testing.TB, cfg room.Config, nc netpoll.Config) *Node {
	t.Helper()
	n := makeNode(t, cfg, nc, nil)
	n.handler.Start(n.Server)
	n.listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	wstest.Serve(t, n.Server, netpoll.ErrServerClosed)
	return n
}

// makeNode makes a node that does not listen yet. state is that of another node's engine, or nil.
func makeNode(t testing.TB, cfg room.Config, nc netpoll.Config, state []byte) *Node {
	t.Helper()
	e := memory.New(memory.Limits{})
	if err := e.Import(state); err != nil {
		t.Fatal(err)
	}
	if cfg.Engine == nil {
		cfg.Engine = e
	}
	if nc.PingInterval == 0 {
		nc.PingInterval = -1
	}
	nc.CloseTimeout = cmp.Or(nc.CloseTimeout, 10*time.Millisecond) // clients do not answer the Close frames of the end
	nc.Logger, nc.RunOnLoop = slog.New(slog.DiscardHandler), true
	n := &Node{t: t, Hub: room.NewHub(cfg)}
	n.handler = mux.New(n.Hub)
	n.Server = netpoll.New(nc, n.handler)
	t.Cleanup(func() {
		n.Hub.Stop()
		if p := n.Server.Stats().Panics; p != 0 {
			t.Errorf("%d callbacks panicked", p)
		}
	})
	return n
}

func (n *Node) listen(l netpoll.Listener) {
	n.t.Helper()
	addr, err := n.Server.Listen(l)
	if err != nil {
		n.t.Fatal(err)
	}
	n.Addr = addr.String()
}

// hold stops the server, and freezes it if quiesce succeeds.
func (n *Node) hold(quiesce func(context.Context) error) error {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	var err error
	if n.held, err = n.Server.Hold(ctx); err != nil {
		n.t.Fatal(err)
	}
	if err = quiesce(ctx); err == nil {
		err = n.held.Freeze(ctx)
	}
	return err
}

// Freeze stops a node for a move.
func (n *Node) Freeze() {
	n.t.Helper()
	if err := n.hold(n.Hub.Quiesce); err != nil {
		n.t.Fatal(err)
	}
}

// Thaw lets a frozen node go on.
func (n *Node) Thaw() {
	n.t.Helper()
	if err := n.Hub.Thaw(); err != nil {
		n.t.Fatal(err)
	}
	n.held.Thaw()
}

// Successor makes a node from a frozen one, with its connections. It is frozen, too. Then either Go makes it serve, or Thaw
// the old one.
func (n *Node) Successor(cfg room.Config, nc netpoll.Config) *Node {
	n.t.Helper()
	var store, hub, stayed snapshot.Encoder
	n.Hub.Engine().(engine.Movable).Export(&store)
	n.Hub.Export(&hub)
	next := makeNode(n.t, cfg, nc, store.B)
	if err := next.hold(func(context.Context) error { return nil }); err != nil {
		n.t.Fatal(err)
	}
	n.meanwhile(next, false)
	next.handler.Start(next.Server)
	n.meanwhile(next, true)
	for _, l := range n.Server.Listeners() {
		l.FD, l.Handler, l.HTTP = n.dup(l.FD), nil, nil
		next.listen(l)
	}
	wstest.Serve(n.t, next.Server, netpoll.ErrServerClosed)
	err := next.held.Restore(n.held.State())
	if err == nil {
		err = next.Hub.Restore(hub.B)
	}
	if err == nil {
		_, err = n.held.Export(true, func(state []byte, fds []int) error {
			own := make([]int, len(fds))
			for i, fd := range fds {
				own[i] = n.dup(fd)
			}
			return next.held.Adopt(state, own)
		})
	}
	if err == nil {
		err = next.held.Adopted()
	}
	if n.Hub.ExportStayed(&stayed); err == nil {
		err = next.Hub.Resume(stayed.B)
	}
	if err != nil {
		next.Abandon()
		n.t.Fatal(err)
	}
	return next
}

func (n *Node) meanwhile(next *Node, started bool) {
	if n.Meanwhile != nil {
		n.Meanwhile(next, started)
	}
}

func (n *Node) dup(fd int) int {
	n.t.Helper()
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	return own
}

// Abandon ends a successor that does not take over, as if its process had died.
func (n *Node) Abandon() {
	n.Hub.Moved()
	n.held.Release()
}

// Go makes the successor of a node serve.
func (n *Node) Go(next *Node) {
	n.t.Helper()
	if err := n.held.Commit(); err != nil {
		n.t.Fatal(err)
	}
	n.Hub.Moved()
	n.held.Release()
	next.Thaw()
}

// Move moves a node to another one, and returns that.
func (n *Node) Move(cfg room.Config, nc netpoll.Config) *Node {
	n.t.Helper()
	n.Freeze()
	next := n.Successor(cfg, nc)
	n.Go(next)
	return next
}
