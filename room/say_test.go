package room

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/wire"
)

// setSlow makes a room take a message of each user an hour.
func (n *node) setSlow(room string) {
	n.t.Helper()
	value, _ := json.Marshal(Settings{Slow: 3600})
	n.hub.engine.Put(Entry{Key: Key{Table: TableRoom, Of: room}, Value: value, Version: AnyVersion}, func(_ uint64, err error) {
		if err != nil {
			n.t.Fatal(err)
		}
	})
}

// sayer answers calls by saying their data under the method's name as a key.
type sayer struct{}

func (sayer) Call(c *Call) bool {
	c.Publish(Saying{Room: "r", Data: c.Data, Key: c.Method}, func(pos Position, err error) {
		c.Done(fmt.Append(nil, pos.Offset), err)
	})
	return true
}

// Slow mode counts what was said: nothing that was refused for another reason, and
// nothing twice. A retry gets its answer at once, and is not said again.
func TestSlowModeCountsWhatIsSaid(t *testing.T) {
	c := quietly(chatty())
	var said atomic.Int64
	c.Calls, c.Said = sayer{}, func(*Hub, string, Position, Message) { said.Add(1) }
	n := start(t, c, netpoll.Config{})
	n.setSlow("r")
	k := n.talk(wire.JSON)
	bad := &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"\u0001"}`)}}
	if got := k.ask(t, bad); got.Error.GetCode() != uint32(wire.ErrText) {
		t.Errorf("a bad text: %v", got)
	}
	call := func(key string) *protocol.Reply {
		return k.ask(t, &protocol.Command{Rpc: &protocol.RPCRequest{Method: key, Data: []byte(`{"text":"good"}`)}})
	}
	for range 2 {
		if got := call("one"); string(got.Rpc.GetData()) != "1" {
			t.Errorf("the first text: %v", got)
		}
	}
	if got := call("two"); got.Error.GetCode() != uint32(wire.ErrSlowMode) {
		t.Errorf("the second text: %v", got)
	}
	if got := said.Load(); got != 1 {
		t.Errorf("%d were said, want 1", got)
	}
}

// A plain client's message that had to wait until there was room for it counts once
// in slow mode, and so is not lost.
func TestSlowModeCountsOnceWhatWaited(t *testing.T) {
	n := start(t, Config{MaxUnswept: 100}, netpoll.Config{Workers: 2})
	c := n.join("/r", noDeflate)
	n.setSlow("r")
	r := n.room("r")
	release := holdSweeps(t, r)
	long := strings.Repeat("x", 90)
	if err := n.say("r", long); err != nil {
		t.Fatal(err)
	}
	if err := c.send(ws.OpText, "this has to wait"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.waiting.Len() == 1
	})
	release()
	c.expect(t, ws.OpText, long)
	c.expect(t, ws.OpText, "this has to wait")
}

// However many speak in slow rooms, a bounded number of them is remembered.
func TestSlowModeIsBounded(t *testing.T) {
	h := NewHub(Config{})
	s := &h.sanctions
	s.next = map[whoWhere]turnToTalk{}
	for i := range maxPaced + 100 {
		if err := s.slow(whoWhere{"r", fmt.Sprint(i)}, time.Hour, ""); err != nil {
			t.Fatal(err)
		}
	}
	last := whoWhere{"r", fmt.Sprint(maxPaced + 99)}
	if len(s.next) != maxPaced || s.slow(last, time.Hour, "") == nil {
		t.Errorf("%d are remembered, want %d, and the last of them", len(s.next), maxPaced)
	}
}
