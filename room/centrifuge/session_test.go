package centrifuge

import (
	"context"
	"log/slog"
	"testing"
	"time"
	"unsafe"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// onlySession serves the dialect alone until the test ends, and returns the session of one
// client that has connected.
func onlySession(t *testing.T, cfg room.Config) *session {
	t.Helper()
	cfg.Engine = memory.New(memory.Limits{})
	d := New(room.NewHub(cfg))
	s := netpoll.New(netpoll.Config{PingInterval: -1, Logger: slog.New(slog.DiscardHandler)}, d)
	d.hub.Start(s)
	d.Start(s)
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.hub.Stop)
	wstest.Serve(t, s, netpoll.ErrServerClosed)
	wstest.OpenProtocol(t, addr.String(), Path, false).Connect(&protocol.ConnectRequest{})
	for c := range s.Conns() {
		if s := sessionAt(c); s != nil {
			return s
		}
	}
	t.Fatal("there is no session")
	return nil
}

// TestTicketRevokedWhileJoining: a token that is revoked between its check and the
// moment at which the subscription is noted joins nobody, nor does one that is revoked
// while it renews a subscription.
func TestTicketRevokedWhileJoining(t *testing.T) {
	revoked := &token.Revoked{}
	s := onlySession(t, room.Config{Revoked: revoked, Anonymous: true})
	w := &subscription{room: "r", opts: &policy.Options{}, id: "of-r", issued: time.Now().Add(-time.Minute), ticket: true}
	if err := revoked.RevokeID("of-r", time.Time{}); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	s.subscribe(w, func(_ room.Recovery, err error) { got <- err })
	if err := <-got; err != error(wire.ErrPermissionDenied) {
		t.Errorf("joined: %v", err)
	}
	s.subscribe(&subscription{room: "q", opts: &policy.Options{}, ticket: true}, func(_ room.Recovery, err error) { got <- err })
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	s.renew("q", &token.Subscription{Channel: "q", ID: "of-r"})
	if all := s.Rooms(); len(all) != 0 {
		t.Errorf("it is still in %v", all)
	}
}

// TestEarlyControlMessages checks that a control message that comes before the reply to connect waits without work, so that the hub
// can move meanwhile; that it is applied then; and that nothing is kept for a session that has ended.
func TestEarlyControlMessages(t *testing.T) {
	s := onlySession(t, room.Config{Anonymous: true})
	hub, d := s.d.hub, s.d
	early := &session{d: d, conn: s.conn, id: s.id}
	early.Identify(token.Anonymous)
	end := engine.ControlMessage{Kind: engine.ControlDisconnect, Code: 4321, Reason: "go"}
	early.Apply(end)
	ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
	defer cancel()
	if err := hub.Quiesce(ctx); err != nil {
		t.Error(err)
	}
	if err := hub.Thaw(); err != nil || !s.conn.Exists() {
		t.Errorf("the message was applied too early, %v", err)
	}
	d.early.connected(early)
	wstest.Eventually(t, "the message is applied", func() bool { return !s.conn.Exists() })
	other := &session{d: d, conn: s.conn}
	other.Identify(token.Anonymous)
	other.Apply(end)
	d.early.ended(other)
	d.early.mu.Lock() // a worker ends the first session meanwhile
	defer d.early.mu.Unlock()
	if len(d.early.all) != 0 {
		t.Errorf("kept for %d sessions", len(d.early.all))
	}
}

// TestLockOrderNamesEachMutex: see wstest.LockOrder.
func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestSizes: an idle client costs its session, and 32 bytes for each room. 208 bytes are a size
// class of Go's allocator.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 208 {
		t.Errorf("a session takes %d bytes", n)
	}
	if n := unsafe.Sizeof(sub{}); n > 32 {
		t.Errorf("a subscription takes %d bytes", n)
	}
}

// TestNoQuestions checks that a session keeps nothing for questions to a backend that has no hook: a reload may add one.
func TestNoQuestions(t *testing.T) {
	s := onlySession(t, room.Config{Anonymous: true, Backend: silent{}})
	if q := s.questions.Load(); q != nil {
		t.Errorf("it keeps %+v", q)
	}
}
