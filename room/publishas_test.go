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
	"webim/room/rpc"
	"webim/room/wire"
)

// keyedPublisher is a Caller whose calls publish their data. The key of the message is the method's name.
type keyedPublisher struct{}

func (keyedPublisher) Knows(string) (rpc.Kind, bool) { return rpc.Kind{}, true }

func (keyedPublisher) Call(c *rpc.Call) ([]byte, error) {
	pos, err := c.Publish(room.SessionMessage{Room: "r", Data: c.Data, Key: c.Method})
	return fmt.Append(nil, pos.Offset), err
}

// TestRetryIsNotPublishedAgain checks that a retry gets its answer at once, also in slow mode, and that the
// message is not published a second time.
func TestRetryIsNotPublishedAgain(t *testing.T) {
	c := quietly(openConfig())
	var published atomic.Int64
	c.Calls, c.FollowUp = rpc.Calls{Caller: keyedPublisher{}}, func(*room.Hub, string, engine.Position, engine.Message) func(context.Context) {
		published.Add(1)
		return nil
	}
	n := start(t, c, netpoll.Config{})
	n.set("r", `{"slow":3600}`)
	k := n.connect(wire.JSON)
	call := func(key string) *protocol.Reply {
		return k.Ask(&protocol.Command{Rpc: &protocol.RPCRequest{Method: key, Data: []byte(`{"text":"good"}`)}})
	}
	for range 2 {
		if got := call("one"); string(got.Rpc.GetData()) != "1" {
			t.Errorf("the first text: %v", got)
		}
	}
	if got := call("two"); got.Error.GetCode() != uint32(wire.ErrSlowMode) {
		t.Errorf("the second text: %v", got)
	}
	if got := published.Load(); got != 1 {
		t.Errorf("%d messages were published, want 1", got)
	}
}
