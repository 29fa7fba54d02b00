package room_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/roomtest"
	"webim/room/token"
	"webim/room/wire"
)

// TestMoveStays checks that a client that waits for the backend stays behind: the others are told that it leaves, its commands
// are refused, nothing that it publishes is acknowledged, and the shutdown of the old server tells it to come again.
func TestMoveStays(t *testing.T) {
	cfg := quietly(openConfig())
	v, sign := tokens(t)
	b := newAsked(backend.HookRPC)
	cfg.Tokens, cfg.LeaveDelay, cfg.Backend = v, time.Nanosecond, b
	old := roomtest.Start(t, cfg, noNets)
	watcher, ann := as(t, old, sign, "watcher", true), as(t, old, sign, "ann", true)
	if push := nextPush(t, watcher); push.Join == nil {
		t.Fatalf("ann joins: %v", push)
	}
	if err := ann.Say(&protocol.Command{Id: 77, Rpc: &protocol.RPCRequest{Method: "slow"}}); err != nil {
		t.Fatal(err)
	}
	q := b.next(t)
	n := old.Move(cfg, noNets)
	if push := nextPush(t, watcher); push.Leave == nil || push.Leave.Info.User != "ann" {
		t.Errorf("ann has not moved: %v", push)
	}
	if all, _ := presentIn(t, n); len(all) != 1 || connsOf(n) != 1 || connsOf(old) != 1 {
		t.Errorf("%q are there; %d connections, and %d at the old server", all, connsOf(n), connsOf(old))
	}
	for _, c := range []*protocol.Command{
		{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`1`)}},
		{Subscribe: &protocol.SubscribeRequest{Channel: "q"}},
	} {
		if e := ann.ExpectError(c); e.Code != uint32(wire.ErrTooManyRequests) || !e.Temporary {
			t.Errorf("%v: %v", c, e)
		}
	}
	q.answer(backend.Reply{Data: []byte(`"late"`)}, nil)
	for {
		if r, err := ann.Next(); err != nil || r.Id == 77 {
			if err != nil || string(r.Rpc.GetData()) != `"late"` {
				t.Errorf("the answer is %v, %v", r, err)
			}
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	if err := old.Server.Shutdown(ctx, 0); err != nil {
		t.Error(err)
	}
	if code, _ := ann.Disconnected(); code != int(wire.DisconnectShutdown) {
		t.Errorf("closed with %d", code)
	}
	watcher.Publish("r", `2`)
	if push := nextPush(t, watcher); push.Pub == nil {
		t.Errorf("the watcher is told %v", push)
	}
}

// TestMoveTakenBack checks that everything goes on if the new process dies before it takes over, and that a later move works.
func TestMoveTakenBack(t *testing.T) {
	cfg := quietly(openConfig())
	v, sign := tokens(t)
	b := newAsked(backend.HookRPC)
	cfg.Tokens, cfg.LeaveDelay, cfg.Backend = v, time.Nanosecond, b
	n := roomtest.Start(t, cfg, noNets)
	watcher, ann := as(t, n, sign, "watcher", true), as(t, n, sign, "ann", true)
	nextPush(t, watcher)
	plain := wstest.ConnectPath(t, n.Addr, "/r?token="+sign(token.Claims{User: "bob"}, time.Hour))
	wstest.Eventually(t, "all are members", func() bool { return n.Hub.Stats().Members == 3 })
	if err := ann.Say(&protocol.Command{Id: 77, Rpc: &protocol.RPCRequest{Method: "slow"}}); err != nil {
		t.Fatal(err)
	}
	q := b.next(t)
	want, _ := presentIn(t, n)
	for range 2 {
		n.Freeze()
		plain.Send(0x81, "while it stands still")
		n.Successor(cfg, noNets).Abandon()
		n.Thaw()
		if push := nextPush(t, watcher); push.Pub == nil || !strings.Contains(string(push.Pub.Data), "while it stands still") {
			t.Errorf("the watcher is told %v", push)
		}
		plain.Expect(0x81, "while it stands still")
	}
	if got, _ := presentIn(t, n); len(got) != 3 || got[0] != want[0] {
		t.Errorf("%q are there, want %q", got, want)
	}
	q.answer(backend.Reply{Data: []byte(`"late"`)}, nil)
	for {
		if r, err := ann.Next(); err != nil || r.Id == 77 {
			if err != nil || string(r.Rpc.GetData()) != `"late"` {
				t.Errorf("the answer is %v, %v", r, err)
			}
			break
		}
	}
	n = n.Move(cfg, noNets)
	ann.Publish("r", `2`)
	if push := nextPush(t, watcher); push.Pub == nil || connsOf(n) != 3 {
		t.Errorf("the watcher is told %v; %d connections", push, connsOf(n))
	}
}

// TestQuiesce checks that Quiesce waits for the follow-up of a message and for deferred work, that it says what it has waited for, and
// that the hub goes on after that.
func TestQuiesce(t *testing.T) {
	cfg := quietly(openConfig())
	gate, begun := make(chan struct{}), make(chan struct{}, 1)
	wait := func() { begun <- struct{}{}; <-gate }
	cfg.FollowUp = func(*room.Hub, string, engine.Position, engine.Message) func(context.Context) {
		return func(context.Context) { wait() }
	}
	cfg.Engine = notPrompt{Engine: memory.New(memory.Limits{})}
	n := roomtest.Start(t, cfg, noNets)
	p := inRoom(t, n, wire.JSON)
	for _, what := range []string{"the follow-ups of messages go on", "deferred work goes on"} {
		if what[0] == 't' {
			if err := p.Say(&protocol.Command{Id: 77, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`1`)}}); err != nil {
				t.Fatal(err)
			}
			<-begun
		}
		held, err := n.Server.Hold(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if what[0] == 'd' {
			n.Hub.Post(wait)
			<-begun
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := n.Hub.Quiesce(ctx); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want: %s", err, what)
		}
		quiet := make(chan error, 1)
		go func() { quiet <- n.Hub.Quiesce(context.Background()) }()
		gate <- struct{}{}
		if err := <-quiet; err != nil {
			t.Error(err)
		}
		if err := n.Hub.Thaw(); err != nil {
			t.Error(err)
		}
		held.Thaw()
	}
	n.Hub.Publish("r", engine.Message{Op: ws.OpText, Data: []byte("it goes on")}, nil)
	for {
		r, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(r.Push.GetPub().GetData()), "it goes on") {
			break
		}
	}
}

// notPrompt is an engine for which calls and follow-ups have to wait.
type notPrompt struct {
	*memory.Engine
	Prompt struct{} // in place of the method
}
