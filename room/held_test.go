package room_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest/shortwrite"
	"webim/room/backend"
	"webim/room/centrifuge"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/wire"
)

// Who recovers a hundred rooms in one message is not slow, though the histories are
// more than its queue holds: it gets all of them, in order, and what it said behind
// that is answered last.
func TestHundredHistoriesAtOnce(t *testing.T) {
	const rooms, messages = 100, 16
	n := start(t, quietly(openConfig()), netpoll.Config{MaxQueue: 64 << 10})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.connect(enc)
		if err := k.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		var all []*protocol.Command
		for i := range rooms {
			name := fmt.Sprint(enc, i)
			for range messages {
				n.hub.Publish(name, engine.Message{Op: engine.OpJSON, Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)}, nil)
			}
			epoch := k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: name}}).History.GetEpoch()
			all = append(all, &protocol.Command{Id: uint32(1000 + i), Subscribe: &protocol.SubscribeRequest{Channel: name, Recover: true, Epoch: epoch}})
		}
		if err := k.Say(all...); err != nil {
			t.Fatal(err)
		}
		if err := k.Say(&protocol.Command{Id: 1000 + rooms, Ping: &protocol.PingRequest{}}); err != nil {
			t.Fatal(err)
		}
		for i := range rooms + 1 {
			r, err := k.Next()
			if err != nil || r.Id != uint32(1000+i) || i < rooms && (!r.Subscribe.GetRecovered() || len(r.Subscribe.Publications) != messages) {
				t.Fatalf("reply %d: %.100v, %v", i, r, err)
			}
		}
		k.Conn.Close()
	})
}

// A client that reads steadily gets every reply that it asks for, however many it asks
// for at once and however small its queue is: in one message or in one message each,
// with an engine that answers at once or late, while its room goes on talking.
func TestRepliesLargerThanTheQueue(t *testing.T) {
	const replies, messages, size, queue = 12, 16, 2000, 16 << 10
	for _, late := range []bool{false, true} {
		for _, apart := range []bool{false, true} {
			t.Run(fmt.Sprintf("late %t, apart %t", late, apart), func(t *testing.T) {
				cfg := quietly(openConfig())
				cfg.Engine = memory.New(memory.Limits{})
				if late {
					cfg.Engine = enginetest.NewLate(t, memory.New(memory.Limits{}), 1)
				}
				shortwrite.Limit(t, 4096)
				n := start(t, cfg, netpoll.Config{MaxQueue: queue, SendBuffer: 4096})
				forEncodings(t, func(t *testing.T, enc wire.Encoding) {
					k := n.connectNarrow(enc)
					room, busy := fmt.Sprint("history ", enc), fmt.Sprint("busy ", enc)
					said := make(chan error, messages)
					for range messages {
						n.hub.Publish(room, engine.Message{Op: engine.OpJSON, Data: []byte(`"` + strings.Repeat("x", size) + `"`)}, func(_ engine.Position, err error) { said <- err })
					}
					for range messages {
						if err := <-said; err != nil {
							t.Fatal(err)
						}
					}
					k.Subscribe(&protocol.SubscribeRequest{Channel: busy})
					peak := k.askHistories(t, n, room, busy, replies, apart)
					if most := queue + messages*(size+100) + 1<<10; peak > most {
						t.Errorf("%d bytes were queued, want MaxQueue and one reply: %d", peak, most)
					}
					k.Conn.Close()
				})
			})
		}
	}
}

// askHistories asks for a history again and again before it reads, says something in
// another room behind each reply, and expects every reply and every message. It
// returns how much was queued at most.
func (k *protocolClient) askHistories(t *testing.T, n *node, room, busy string, count int, apart bool) (peak int) {
	t.Helper()
	var all []*protocol.Command
	for i := range count {
		all = append(all, &protocol.Command{Id: uint32(1000 + i), History: &protocol.HistoryRequest{Channel: room, Limit: -1}})
	}
	all = append(all, &protocol.Command{Id: uint32(1000 + count), Ping: &protocol.PingRequest{}})
	each := len(all)
	if apart {
		each = 1
	}
	for some := range slices.Chunk(all, each) {
		if err := k.Say(some...); err != nil {
			t.Fatal(err)
		}
	}
	pushes, seen := 0, map[uint32]bool{}
	for len(seen) <= count || pushes < count {
		for c := range n.s.Conns() {
			peak = max(peak, c.Queued())
		}
		r, err := k.Next()
		if err != nil {
			t.Fatalf("after %d of %d replies and %d messages: %v", len(seen), count, pushes, err)
		}
		if r.Push != nil {
			pushes++
			continue
		}
		if seen[r.Id] = true; r.History != nil {
			if len(r.History.Publications) == 0 {
				t.Fatalf("reply %d is empty: %v", r.Id, r)
			}
			n.hub.Publish(busy, engine.Message{Op: engine.OpJSON, Data: []byte(`"` + strings.Repeat("y", 900) + `"`)}, nil)
		}
	}
	return peak
}

// connectNarrow connects with a socket that takes little before it is full.
func (n *node) connectNarrow(enc wire.Encoding) *protocolClient {
	n.t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		err2 := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return errors.Join(err, err2)
	}}
	k, err := dialProtocol(n.t, &d, n.addr, enc, noDeflate)
	if err != nil {
		n.t.Fatal(err)
	}
	if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{}}); r.Connect == nil {
		n.t.Fatalf("connecting: %v", r)
	}
	return k
}

// A client gets every answer of its backend, however large they are, however many it
// asks for in one message, and however late it reads; but no more than a few are asked
// for while it does not.
func TestLateAnswersLargerThanTheQueue(t *testing.T) {
	const calls, size, queue = 100, 20 << 10, 16 << 10
	c, b := quietly(openConfig()), newAsked(backend.HookRPC)
	c.Backend = b
	shortwrite.Limit(t, 4096)
	n := start(t, c, netpoll.Config{MaxQueue: queue, SendBuffer: 4096})
	answer := []byte(`"` + strings.Repeat("x", size) + `"`)
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.connectNarrow(enc)
		var all []*protocol.Command
		for i := range calls {
			all = append(all, &protocol.Command{Id: uint32(1000 + i), Rpc: &protocol.RPCRequest{Method: "large"}})
		}
		if err := k.Say(all...); err != nil {
			t.Fatal(err)
		}
		asked := centrifuge.MaxQuestions
		var first []question
		for range centrifuge.MaxQuestions {
			first = append(first, b.next(t))
		}
		for _, q := range first {
			q.answer(backend.Reply{Data: answer}, nil)
		}
		more := func() bool { // an answer that fits lets the next question go, at once
			select {
			case q := <-b.questions:
				q.answer(backend.Reply{Data: answer}, nil)
				asked++
				return true
			default:
				return false
			}
		}
		for more() {
		}
		if asked > calls/2 {
			t.Errorf("%d of %d questions are asked before the client reads", asked, calls)
		}
		for c := range n.s.Conns() {
			if queued := c.Queued(); queued > queue+(centrifuge.MaxQuestions+1)*(size+200) {
				t.Errorf("%d bytes are queued", queued)
			}
		}
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case q := <-b.questions:
					q.answer(backend.Reply{Data: answer}, nil)
				}
			}
		}()
		seen := map[uint32]bool{}
		for len(seen) < calls {
			r, err := k.Next()
			if err != nil || seen[r.Id] || len(r.Rpc.GetData()) != len(answer) {
				t.Fatalf("after %d of %d answers: %.200v, %v", len(seen), calls, r, err)
			}
			seen[r.Id] = true
		}
		close(stop)
		<-done
		k.Conn.Close()
	})
}
