package room_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/mux"
)

// roomsPublisher is a handler whose messages name rooms, "a b c", to each of which it publishes
// from within the callback, as a session does.
type roomsPublisher struct{ *mux.Handler }

func (h *roomsPublisher) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	for _, room := range bytes.Fields(data) {
		h.Hub().Engine().Publish(string(room), engine.Message{Op: ws.OpText, Data: room, Origin: uint64(c.ID())}, func(engine.Position, error) {})
	}
}

// holdWorker keeps the only worker of the server busy until release is called.
func (n *node) holdWorker() (release func()) {
	gate, held := make(chan bool), make(chan bool)
	n.s.NewTurn(func() bool { close(held); <-gate; return false }).Wake()
	<-held
	return sync.OnceFunc(func() { close(gate) })
}

// TestLoneMessageIsSweptWhereItWasDecoded checks which goroutine sweeps the messages that a
// callback publishes: the one that runs the callback, here of a loop, serves rooms of up to 64
// members with up to 128 writes. Everything else waits for the worker, which is busy.
func TestLoneMessageIsSweptWhereItWasDecoded(t *testing.T) {
	for _, c := range []struct {
		name    string
		members map[string]int
		say     string
		at      string // once, the rooms that are served while the worker is held up
	}{
		{"a small room", map[string]int{"a": 2}, "a", "a"},
		{"64 members", map[string]int{"a": room.DirectMembers}, "a", "a"},
		{"65 members", map[string]int{"a": room.DirectMembers + 1}, "a", ""},
		{"a large room and a small one", map[string]int{"a": room.DirectMembers + 1, "b": 2}, "a b", "b"},
		{"128 writes", map[string]int{"a": 64, "b": 64}, "a b", "a b"},
		{"129 writes", map[string]int{"a": 64, "b": 64, "c": 1}, "a b c", "a b"},
		{"the same room often", map[string]int{"a": 64, "b": 64}, "a a a b b b", "a a a b b b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub := newHub(open(room.Config{}))
			n := startWith(t, hub, netpoll.Config{Loops: 1, Workers: 1, RunOnLoop: true}, &roomsPublisher{mux.New(hub)})
			members := map[string]*client{}
			for room, count := range c.members {
				members[room] = n.joinAll(count, "/"+room, plain)[0]
			}
			sender := n.join("/sender", noDeflate)
			wstest.Eventually(t, "all are quiet", func() bool { return n.s.Stats().WorkersBusy == 0 })
			release := n.holdWorker()
			defer release()
			if err := sender.send(ws.OpText, c.say); err != nil {
				t.Fatal(err)
			}
			for _, room := range bytes.Fields([]byte(c.at)) {
				members[string(room)].expect(t, ws.OpText, string(room))
			}
			served := n.s.Stats().MessagesOut
			want := int64(0)
			for _, room := range bytes.Fields([]byte(c.at)) {
				want += int64(c.members[string(room)])
			}
			if served > want {
				t.Errorf("%d messages have left, want %d", served, want)
			}
			wstest.Eventually(t, "they have left", func() bool { return n.s.Stats().MessagesOut == want })
			release()
			all := int64(0)
			for _, room := range bytes.Fields([]byte(c.say)) {
				all += int64(c.members[string(room)])
			}
			wstest.Eventually(t, "all have left", func() bool { return n.s.Stats().MessagesOut == all })
		})
	}
}

// TestPublishNeverWrites checks that a message which is not published by a worker waits for one,
// in the smallest room, too.
func TestPublishNeverWrites(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{Loops: 1, Workers: 1})
	c := n.join("/r", noDeflate)
	wstest.Eventually(t, "all are quiet", func() bool { return n.s.Stats().WorkersBusy == 0 && n.hub.Stats().Members == 1 })
	release := n.holdWorker()
	defer release()
	for range 3 {
		if err := n.say("r", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if st := n.s.Stats(); st.MessagesOut != 0 || n.hub.Stats().Unswept == 0 {
		t.Errorf("%d messages have left", st.MessagesOut)
	}
	release()
	for range 3 {
		c.expect(t, ws.OpText, "hello")
	}
}

// TestTurnLeavesTogether checks that all messages of one read leave in one sweep.
func TestTurnLeavesTogether(t *testing.T) {
	const messages = 100
	n := start(t, room.Config{}, netpoll.Config{Loops: 1, Workers: 1})
	sender, other := n.join("/r", noDeflate), n.join("/r", noDeflate)
	wstest.Eventually(t, "both have joined", func() bool { return n.hub.Stats().Members == 2 })
	w := watch(n.room("r"))
	var all []byte
	for k := range messages {
		all = append(all, frameOf(fmt.Sprint(k))...)
	}
	if _, err := sender.Conn.Write(all); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{sender, other} {
		for k := range messages {
			c.expect(t, ws.OpText, fmt.Sprint(k))
		}
	}
	wstest.Eventually(t, "a sweep has ended", func() bool { got, _ := w.count(); return got > 0 }) // it is counted behind its writes
	if got, _ := w.count(); got != 1 {
		t.Errorf("%d messages of one read took %d sweeps", messages, got)
	}
}

// TestMixedSweepsKeepTheOrder checks that all members see the engine's order when sweeps on the
// worker that decoded the message alternate with sweeps from the ready list, while members and
// goroutines publish and the room is sometimes small and sometimes not.
func TestMixedSweepsKeepTheOrder(t *testing.T) {
	const senders, each, steady = 4, 100, room.DirectMembers - 4
	for _, cfg := range []netpoll.Config{{Loops: 1, Workers: 1}, {Loops: 2, Workers: 3}} {
		t.Run(fmt.Sprint(cfg.Workers, " workers"), func(t *testing.T) {
			n := start(t, room.Config{}, roomy(cfg))
			truth := new(enginetest.Exclusive)
			n.hub.Engine().Subscribe("r", enginetest.NoPayer, truth)
			members := n.joinAll(steady, "/r", plain)
			got := make([][]string, len(members))
			var readers, talk, churn sync.WaitGroup
			for i, c := range members {
				readers.Go(func() {
					for range 2 * senders * each {
						_, p, err := c.read()
						if err != nil {
							t.Errorf("member %d: %v", i, err)
							return
						}
						got[i] = append(got[i], string(p))
					}
				})
			}
			for i := range senders {
				talk.Go(func() {
					for k := range each {
						if err := members[i].send(ws.OpText, fmt.Sprint("member ", i, k)); err != nil {
							t.Error(err)
						}
					}
				})
				talk.Go(func() {
					for k := range each {
						if err := n.say("r", fmt.Sprint("goroutine ", i, k)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			done := make(chan bool)
			churn.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					for _, c := range n.joinAll(8, "/r", plain) {
						c.Conn.Close()
					}
					wstest.Eventually(t, "they have left", func() bool { return n.hub.Stats().Members == steady })
				}
			})
			talk.Wait()
			readers.Wait()
			close(done)
			churn.Wait()
			n.hub.Engine().Unsubscribe("r", truth)
			for i := range got {
				for k, p := range truth.Got() {
					if k >= len(got[i]) || got[i][k] != string(p.Data) {
						t.Fatalf("member %d got something else than %q as number %d", i, p.Data, k)
					}
				}
			}
		})
	}
}
