package room_test

import (
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/wire"
)

// keeps is an engine that notes the retention of each message and of each read.
type keeps struct {
	*memory.Engine
	mu    sync.Mutex
	named []*engine.Retention
}

func (e *keeps) note(keep *engine.Retention) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.named = append(e.named, keep)
}

// take returns the noted ones and forgets them.
func (e *keeps) take() []*engine.Retention {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.named
	e.named = nil
	return all
}

func (e *keeps) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	e.note(m.Keep)
	e.Engine.Publish(room, m, done)
}

func (e *keeps) History(room string, part engine.Span, done func(engine.History, error)) {
	e.note(part.Keep)
	e.Engine.History(room, part, done)
}

// TestKeepIsNamed checks that each message and each read of a history names how much the room keeps, so
// that an engine need not remember it.
func TestKeepIsNamed(t *testing.T) {
	want := engine.Retention{Messages: 7, Bytes: 1000, Age: time.Hour}
	e := &keeps{Engine: memory.New(memory.Limits{})}
	c := quietly(openConfig())
	c.Engine = e
	c.Options = policy.Patterns{{Match: "r", Options: policy.Options{Rights: policy.OpenRights(), History: want, Recoverable: true}}}.Options
	n := start(t, c, netpoll.Config{})
	k, plain := n.connect(wire.JSON), n.join("/r", noDeflate)
	if all := e.take(); len(all) != 0 {
		t.Fatalf("before the first command: %v", all)
	}
	check := func(what string) {
		t.Helper()
		var all []*engine.Retention
		wstest.Eventually(t, what, func() bool { all = append(all, e.take()...); return len(all) > 0 })
		for _, keep := range all {
			if keep == nil || *keep != want {
				t.Errorf("%s: %v, want %v", what, keep, want)
			}
		}
	}
	top := k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	check("subscribing")
	k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
	k.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recover: true, Epoch: top.Epoch, Offset: top.Offset})
	check("recovering")
	k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "r", Limit: 1}})
	check("reading a history")
	if err := plain.send(ws.OpText, "hello"); err != nil {
		t.Fatal(err)
	}
	check("a plain message")
	n.hub.Publish("r", engine.Message{Op: ws.OpText, Data: []byte("hello")}, nil)
	check("a message of the server")
	k.Publish("r", "{}")
	check("a message of a client")
}
