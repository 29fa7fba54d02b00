package room_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// sayer answers calls by saying their data under the method's name as a key.
type sayer struct{}

func (sayer) Knows(string) (room.CallKind, bool) { return room.CallKind{}, true }

func (sayer) Call(c *room.Call) ([]byte, error) {
	pos, err := c.Publish(room.SessionMessage{Room: "r", Data: c.Data, Key: c.Method})
	return fmt.Append(nil, pos.Offset), err
}

// A retry gets its answer at once, in slow mode too, and is not said again.
func TestRetryIsNotSaidAgain(t *testing.T) {
	c := quietly(chatty())
	var said atomic.Int64
	c.Calls, c.FollowUp = sayer{}, func(*room.Hub, string, engine.Position, engine.Message) func(context.Context) {
		said.Add(1)
		return nil
	}
	n := start(t, c, netpoll.Config{})
	n.set("r", `{"slow":3600}`)
	k := n.talk(wire.JSON)
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
