package netpoll_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// A handler that yields lets others run between two messages of one read, and between two
// parts of a message that it takes in parts. What comes next is put into the background
// if the Meter says so then.
func TestYield(t *testing.T) {
	again := func(c netpoll.Conn) { c.Again()() }
	for _, c := range []struct {
		name       string
		yield      func(c netpoll.Conn)
		parts      int // that the handler takes a message in
		background bool
		runs       int // of the other turn, one after the other
		want       string
	}{
		{"no yield", func(netpoll.Conn) {}, 1, false, 1, "1 2 3 turn"},
		{"messages", netpoll.Conn.Yield, 1, false, 1, "1 turn 2 turn 3 turn"},
		{"messages in the background", netpoll.Conn.Yield, 1, true, 3, "1 turn turn turn 2 turn turn turn 3 turn turn turn"},
		{"all the time is spent", func(c netpoll.Conn) { c.Spent(256) }, 1, false, 3, "1 turn turn turn 2 turn turn turn 3 turn turn turn"},
		{"half of it is spent", func(c netpoll.Conn) { c.Spent(127) }, 1, false, 1, "1 2 turn 3 turn"},
		{"parts", netpoll.Conn.Yield, 2, false, 1, "1 turn 1 turn 2 turn 2 turn 3 turn 3 turn"},
		{"parts in the background", netpoll.Conn.Yield, 2, true, 2, "1 turn turn 1 turn turn 2 turn turn 2 turn turn 3 turn turn 3 turn turn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var order []string // of one worker
			var turn *netpoll.Turn
			left, given, behind := 0, 0, false
			ended := make(chan string, 1)
			m := newMetered()
			m.treat = func(netpoll.Conn, netpoll.Cost) netpoll.Treatment { return netpoll.Treatment{Background: behind} }
			other := func() bool {
				order = append(order, "turn")
				if left--; left > 0 {
					return true
				}
				if len(order) >= strings.Count(c.want, " ")+1 {
					ended <- strings.Join(order, " ")
				}
				return false
			}
			m.OnMessage = func(conn netpoll.Conn, _ ws.OpCode, data []byte) {
				if turn == nil {
					turn = conn.Server().NewTurn(other)
				}
				order = append(order, string(data))
				left, behind = c.runs, c.background && given > 0 // from the second on
				turn.Wake()
				c.yield(conn)
				if given++; given%c.parts != 0 {
					again(conn)
				}
			}
			_, addr := start(t, netpoll.Config{Workers: 1}, m)
			cl := wstest.Connect(t, addr)
			cl.SendBytes(slices.Concat(wstest.Frame(0x81, "1"), wstest.Frame(0x81, "2"), wstest.Frame(0x81, "3")))
			if got := receive(t, "the last turn", ended); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
			cl.Leave()
		})
	}
}

// A connection whose client has hung up is lost for replies, before what the client has
// sent behind is all handled.
func TestLost(t *testing.T) {
	hungUp := make(chan struct{})
	var lost, messages atomic.Int64
	_, addr := start(t, netpoll.Config{}, &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
		if messages.Add(1) == 1 {
			if c.Lost() {
				t.Error("an open connection is lost")
			}
			<-hungUp
		} else if c.Lost() {
			lost.Add(1)
		}
		_ = c.Push(op, data)
		c.Yield() // so the push is written
	}})
	if !(netpoll.Conn{}).Lost() {
		t.Error("no connection is not lost")
	}
	c := wstest.Connect(t, addr)
	c.SendBytes(slices.Concat(wstest.Frame(0x81, "1"), wstest.Frame(0x81, "2"), wstest.Frame(0x81, "3")))
	wstest.Eventually(t, "the first message has come", func() bool { return messages.Load() == 1 })
	if err := c.TCP().SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Conn.Close()
	close(hungUp)
	wstest.Eventually(t, "all messages have come", func() bool { return messages.Load() == 3 })
	wstest.Eventually(t, "the connection is lost", func() bool { return lost.Load() == 2 })
}
