package room_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/rpc"
	"webim/room/token"
	"webim/room/wire"
)

// followUps records which follow-ups have run: the offsets of the messages of each payer.
type followUps struct {
	mu      sync.Mutex
	offsets map[budget.Owner][]uint64
}

// followUp implements Config.FollowUp.
func (f *followUps) followUp(_ *room.Hub, _ string, at engine.Position, m engine.Message) func(context.Context) {
	return func(context.Context) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.offsets[m.Payer] = append(f.offsets[m.Payer], at.Offset)
	}
}

func (f *followUps) of(user string) []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.offsets[budget.User(user)])
}

func newFollowUps() *followUps { return &followUps{offsets: map[budget.Owner][]uint64{}} }

// startCalls starts a node whose calls run on two goroutines, of which one user gets one. login connects
// a user.
func startCalls(t *testing.T, calls rpc.Caller, f *followUps) (login func(user string) *protocolClient) {
	v, sign := tokens(t)
	c := quietly(openConfig())
	c.Tokens, c.Calls, c.Engine, c.MaxCalls, c.FollowUp = v, rpc.Calls{Caller: calls}, newWaitingEngine(), 2, f.followUp
	n := start(t, c, netpoll.Config{})
	return func(user string) *protocolClient {
		k := n.open(wire.JSON)
		if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: sign(token.Claims{User: user}, time.Hour)}}); r.Connect == nil {
			t.Fatalf("connecting %s: %v", user, r)
		}
		return k
	}
}

func publishIn(name string, id uint32) *protocol.Command {
	return &protocol.Command{Id: id, Publish: &protocol.PublishRequest{Channel: name, Data: []byte(`{}`)}}
}

// TestFollowUpsWaitForNoOtherPayer checks that a user whose calls keep all its slots busy does not delay
// the messages of others in a room.
func TestFollowUpsWaitForNoOtherPayer(t *testing.T) {
	g, f := newGates(), newFollowUps()
	login := startCalls(t, g, f)
	busy, ann, bob := login("ann"), login("ann"), login("bob")
	if err := busy.Say(rpcCommand(11, "wait", `"a"`)); err != nil {
		t.Fatal(err)
	}
	<-g.begun
	if err := ann.Say(publishIn("r", 11), rpcCommand(12, "prompt", `"published"`)); err != nil {
		t.Fatal(err)
	}
	if r, err := ann.Next(); err != nil || r.Id != 12 { // the follow-up of ann's message waits
		t.Fatalf("%v, %v, want the reply 12", r, err)
	}
	bob.Publish("r", `{}`)
	if ann, bob := f.of("ann"), f.of("bob"); len(ann) != 0 || !slices.Equal(bob, []uint64{2}) {
		t.Errorf("the follow-ups of the messages %v of ann and %v of bob have run", ann, bob)
	}
	g.open <- struct{}{}
	for name, k := range map[string]*protocolClient{"the call": busy, "the message": ann} {
		if r, err := k.Next(); err != nil || r.Id != 11 || r.Error != nil {
			t.Errorf("%v, %v, want the reply of %s", r, err, name)
		}
	}
	if got := f.of("ann"); !slices.Equal(got, []uint64{1}) {
		t.Errorf("the follow-ups of the messages %v of ann have run", got)
	}
}

// TestFollowUpsOfManyPayers checks that several users that publish in one room, by commands and by calls,
// get all replies, and that the follow-ups of each user run in the order of the messages.
func TestFollowUpsOfManyPayers(t *testing.T) {
	const users, messages = 4, 50
	f := newFollowUps()
	login := startCalls(t, newGates(), f)
	var all sync.WaitGroup
	for u := range users {
		k := login(fmt.Sprint("user", u))
		all.Go(func() {
			var commands []*protocol.Command
			for i := range uint32(messages) {
				one := publishIn("r", 10+i)
				if (int(i)+u)%3 == 0 {
					one = rpcCommand(10+i, "pass", `{}`)
				}
				commands = append(commands, one)
			}
			if err := k.Say(commands...); err != nil {
				t.Error(err)
				return
			}
			for range messages {
				if r, err := k.Next(); err != nil || r.Error != nil {
					t.Errorf("%v, %v", r, err)
					return
				}
			}
		})
	}
	all.Wait()
	for u := range users {
		if got := f.of(fmt.Sprint("user", u)); !slices.IsSorted(got) || len(got) != messages {
			t.Errorf("the follow-ups of %d messages have run, in the order %v", len(got), got)
		}
	}
}

// TestFollowUpsOfCallsAreBounded checks that no more follow-ups of calls run at a time than calls may, when
// many users publish in one room, and that all of them run.
func TestFollowUpsOfCallsAreBounded(t *testing.T) {
	const users, limit = 40, 2
	v, sign := tokens(t)
	published, begun, open := make(chan struct{}, users), make(chan struct{}, users), make(chan struct{})
	var running atomic.Int32
	c := quietly(openConfig())
	c.Tokens, c.Calls, c.Engine, c.MaxCalls = v, rpc.Calls{Caller: newGates()}, newWaitingEngine(), limit
	c.FollowUp = func(*room.Hub, string, engine.Position, engine.Message) func(context.Context) {
		published <- struct{}{}
		return func(context.Context) {
			if n := running.Add(1); n > limit {
				t.Errorf("%d follow-ups run at a time", n)
			}
			begun <- struct{}{}
			<-open
			running.Add(-1)
		}
	}
	n := start(t, c, netpoll.Config{})
	var all []*protocolClient
	for u := range users {
		k := n.open(wire.JSON)
		if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: sign(token.Claims{User: fmt.Sprint("user", u)}, time.Hour)}}); r.Connect == nil {
			t.Fatalf("connecting: %v", r)
		}
		if err := k.Say(rpcCommand(11, "pass", `{}`)); err != nil {
			t.Fatal(err)
		}
		<-published // the call lends its slot to the next one
		all = append(all, k)
	}
	for range users {
		<-begun
		open <- struct{}{}
	}
	for _, k := range all {
		if r, err := k.Next(); err != nil || r.Id != 11 || r.Error != nil {
			t.Errorf("%v, %v, want the reply of the call", r, err)
		}
	}
}

// TestPromptCallHasNoSlot checks that a call that runs on a worker gives no slot away when it waits.
func TestPromptCallHasNoSlot(t *testing.T) {
	c := quietly(openConfig())
	c.Calls, c.Engine, c.MaxCalls = rpc.Calls{Caller: newGates()}, enginetest.NewLate(t, memory.New(memory.Limits{}), 1), 2
	n := start(t, c, netpoll.Config{})
	k := n.connect(wire.JSON)
	for range 20 {
		if r := k.Ask(rpcCommand(0, "prompt", `{"n":1}`)); r.Error != nil || !strings.Contains(string(r.Rpc.GetData()), "{") {
			t.Errorf("a call on a worker: %v", r)
		}
	}
	if r := k.Ask(rpcCommand(0, "pass", `"done"`)); string(r.Rpc.GetData()) != `"done"` {
		t.Errorf("a call on a goroutine: %v", r)
	}
}
