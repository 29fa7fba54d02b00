package room_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// waitingEngine is an engine that does not implement engine.Prompt.
type waitingEngine struct{ engine.Engine }

func newWaitingEngine() engine.Engine { return waitingEngine{memory.New(memory.Limits{})} }

// gates are calls that wait until the test lets them through. The call "pass" does not wait, and
// "panic" panics.
type gates struct {
	begun chan string   // the data of calls that wait
	open  chan struct{} // one element lets one call through
}

func newGates() *gates { return &gates{begun: make(chan string, 100), open: make(chan struct{}, 100)} }

func (*gates) Knows(method string) (rpc.Kind, bool) {
	return rpc.Kind{Class: policy.ClassRPC, Prompt: method == "prompt"}, method != "unknown"
}

func (g *gates) Call(c *rpc.Call) ([]byte, error) {
	switch c.Method {
	case "panic":
		panic("a call panics")
	case "wait":
		g.begun <- string(c.Data)
		<-g.open
	}
	if strings.HasPrefix(string(c.Data), "{") {
		_, err := c.Publish(room.SessionMessage{Room: "r", Data: c.Data})
		return []byte("{}"), err
	}
	return c.Data, nil
}

func rpcCommand(id uint32, method, data string) *protocol.Command {
	return &protocol.Command{Id: id, Rpc: &protocol.RPCRequest{Method: method, Data: []byte(data)}}
}

// TestCallsKeepTheOrderOfCommands checks that a call that waits delays the later commands of its client, in
// the same message and in the next one, and no commands of another client.
func TestCallsKeepTheOrderOfCommands(t *testing.T) {
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		g := newGates()
		c := quietly(openConfig())
		c.Calls, c.Engine = rpc.Calls{Caller: g}, newWaitingEngine()
		n := start(t, c, netpoll.Config{})
		k, other := n.connect(enc), n.connect(enc)
		publish := func(id uint32, text string) *protocol.Command {
			return &protocol.Command{Id: id, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(text)}}
		}
		if err := k.Say(rpcCommand(11, "wait", `{"n":1}`), publish(12, `{"n":2}`), rpcCommand(13, "wait", `{"n":3}`), rpcCommand(14, "prompt", `"4"`), publish(15, `{"n":5}`)); err != nil {
			t.Fatal(err)
		}
		if err := k.Say(rpcCommand(16, "pass", `{"n":6}`), publish(17, `{"n":7}`)); err != nil {
			t.Fatal(err)
		}
		if got := <-g.begun; got != `{"n":1}` {
			t.Fatalf("the call %s begins first", got)
		}
		other.Publish("r", `{"n":0}`)
		g.open <- struct{}{}
		if got := <-g.begun; got != `{"n":3}` {
			t.Fatalf("the call %s begins second", got)
		}
		g.open <- struct{}{}
		for id := uint32(11); id <= 17; id++ {
			if r, err := k.Next(); err != nil || r.Id != id || r.Error != nil {
				t.Fatalf("%v, %v, want the reply %d", r, err, id)
			}
		}
		n.hub.History("r", room.HistoryQuery{Limit: -1}, func(got engine.History, err error) {
			var all []string
			for _, p := range got.Publications {
				all = append(all, string(p.Data))
			}
			if s := strings.Join(all, " "); err != nil || s != `{"n":0} {"n":1} {"n":2} {"n":3} {"n":5} {"n":6} {"n":7}` {
				t.Errorf("the history is %s, %v", s, err)
			}
		})
	}
}

// TestPanicOfACall checks that a panic in a call closes its connection, as a panic of a callback does, that
// the server and the calls of others go on, and that the slot is free again.
func TestPanicOfACall(t *testing.T) {
	c := quietly(openConfig())
	c.Calls, c.Engine, c.MaxCalls = rpc.Calls{Caller: newGates()}, newWaitingEngine(), 2
	n := start(t, c, netpoll.Config{})
	n.panics = 5
	other := n.connect(wire.JSON)
	for range n.panics {
		k := n.connect(wire.JSON)
		if err := k.Say(rpcCommand(11, "panic", `""`)); err != nil {
			t.Fatal(err)
		}
		if r, err := k.Next(); err != (wstest.ClosedError{Code: 1011, Reason: "internal error"}) {
			t.Errorf("%v, %v, want the end of the connection", r, err)
		}
	}
	if r := other.Ask(rpcCommand(0, "pass", `"still here"`)); string(r.Rpc.GetData()) != `"still here"` {
		t.Errorf("another client's call: %v", r)
	}
}

// TestShutdownAnswersCalls checks that a call that is under way when the server shuts down is
// answered before the connection of its client is closed.
func TestShutdownAnswersCalls(t *testing.T) {
	g := newGates()
	c := quietly(openConfig())
	c.Calls, c.Engine = rpc.Calls{Caller: g}, newWaitingEngine()
	n := start(t, c, netpoll.Config{})
	k, other := n.connect(wire.JSON), n.connect(wire.JSON)
	if err := k.Say(rpcCommand(11, "wait", `"done"`)); err != nil {
		t.Fatal(err)
	}
	<-g.begun
	ended := make(chan error, 1)
	go func() { ended <- n.s.Shutdown(t.Context(), 0) }()
	wstest.Eventually(t, "the server shuts down", func() bool { // its listeners answer with 503 then
		_, status, err := n.dial(new(net.Dialer), wire.EndpointPath, noDeflate)
		return err == nil && status == 503
	})
	g.open <- struct{}{}
	if r, err := k.Next(); err != nil || string(r.Rpc.GetData()) != `"done"` {
		t.Errorf("%v, %v, want the answer", r, err)
	}
	k.expectClose(t, wire.DisconnectShutdown)
	other.expectClose(t, wire.DisconnectShutdown)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestCallOfAGoneConnection checks that a call ends, and gives its slot back, when its client has gone.
func TestCallOfAGoneConnection(t *testing.T) {
	g := newGates()
	c := quietly(openConfig())
	c.Calls, c.Engine, c.MaxCalls = rpc.Calls{Caller: g}, newWaitingEngine(), 2
	n := start(t, c, netpoll.Config{})
	k, other := n.connect(wire.JSON), n.connect(wire.JSON)
	if err := k.Say(rpcCommand(11, "wait", `{"said":true}`)); err != nil {
		t.Fatal(err)
	}
	<-g.begun
	k.Conn.Close()
	g.open <- struct{}{}
	for i := range 5 {
		if r := other.Ask(rpcCommand(0, "pass", fmt.Sprint(i))); string(r.Rpc.GetData()) != fmt.Sprint(i) {
			t.Errorf("another client's call: %v", r)
		}
	}
	wstest.Eventually(t, "the message of the call is published", func() (said bool) {
		n.hub.History("r", room.HistoryQuery{Limit: -1}, func(got engine.History, err error) { said = len(got.Publications) == 1 })
		return said
	})
}

// TestFollowUpsKeepTheOrder checks that the follow-ups of the messages in a room run one at a time, in the
// order of the messages, and before a message is acknowledged, also if calls publish some of the messages;
// and that the follow-ups of another room do not wait for them.
func TestFollowUpsKeepTheOrder(t *testing.T) {
	const messages = 20
	c := quietly(openConfig())
	c.Calls, c.Engine = rpc.Calls{Caller: newGates()}, newWaitingEngine()
	hold, at := make(chan struct{}), make(chan uint64, messages)
	var running atomic.Int32
	c.FollowUp = func(_ *room.Hub, name string, pos engine.Position, m engine.Message) func(context.Context) {
		if m.Data != nil {
			t.Error("data that the connection's next input overwrites are kept until the engine answers")
		}
		if name != "r" {
			return func(context.Context) {}
		}
		return func(context.Context) {
			if running.Add(1) != 1 {
				t.Error("two follow-ups run at a time in one room")
			}
			<-hold
			at <- pos.Offset
			running.Add(-1)
		}
	}
	n := start(t, c, netpoll.Config{})
	k, other := n.connect(wire.JSON), n.connect(wire.JSON)
	for id := range uint32(messages) {
		say := &protocol.Command{Id: 10 + id, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{}`)}}
		if id == messages-1 {
			say = rpcCommand(10+id, "pass", `{}`)
		}
		if err := k.Say(say); err != nil {
			t.Fatal(err)
		}
	}
	other.Publish("other", `{}`)
	for i := range uint64(messages) {
		hold <- struct{}{}
		if got := <-at; got != i+1 {
			t.Fatalf("the follow-up of message %d runs, want %d", got, i+1)
		}
		if r, err := k.Next(); err != nil || r.Id != 10+uint32(i) || r.Error != nil {
			t.Fatalf("%v, %v, want the reply %d", r, err, 10+i)
		}
	}
}

// exhaustCalls makes users take all slots and all places to wait, so that more calls are refused. Then it
// lets all calls through.
func exhaustCalls(t *testing.T, w *budgetWorld) {
	g := w.hub.Config().Calls.(rpc.Calls).Caller.(*gates)
	var clients []*client
	for i := range 20 {
		c := w.as(t, attacker, fmt.Sprint("user", i%4))
		c.say(t, `{"id":2,"rpc":{"method":"wait","data":%d}}`, i)
		clients = append(clients, c)
	}
	answers := make(chan string, len(clients))
	for _, c := range clients {
		go func() {
			_, p, err := c.read()
			if err != nil {
				p = []byte(err.Error())
			}
			answers <- string(p)
		}()
	}
	refused := 0
	for range len(clients) - 2*(1+4) { // two slots, and four places to wait for each
		if got := <-answers; !strings.Contains(got, `"code":111`) || !strings.Contains(got, `"temporary":true`) {
			t.Fatalf("%s, want a temporary error", got)
		}
		refused++
	}
	for range len(clients) - refused {
		g.open <- struct{}{}
		<-g.begun
		if got := <-answers; strings.Contains(got, "error") {
			t.Errorf("a call that had a place: %s", got)
		}
	}
}
