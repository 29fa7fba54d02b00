package room_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/mux"
)

// word returns a message: the number of the sender, the number of the message, and letters up to
// a size.
func word(sender, k, size int) string {
	head := fmt.Sprintf("%d %d ", sender, k)
	return head + strings.Repeat("x", max(0, size-len(head)))
}

// frameOf returns the text frame of a client.
func frameOf(s string) []byte { return ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(s)))) }

// held waits until so many senders wait.
func (n *node) held(count int) {
	n.t.Helper()
	wstest.Eventually(n.t, fmt.Sprint(count, " members wait"), func() bool { return n.hub.Stats().Waiting == count })
}

// connOf returns the server's end of a client's connection.
func (n *node) connOf(c *client) netpoll.Conn {
	n.t.Helper()
	for conn := range n.s.Conns() {
		if info, ok := conn.Info(); ok && info.Remote.String() == c.Conn.LocalAddr().String() {
			return conn
		}
	}
	n.t.Fatal("the server does not have this client")
	return netpoll.Conn{}
}

// idle checks that nothing is under way in the flow control of a room.
func (n *node) idle(room string) {
	n.t.Helper()
	r := n.room(room)
	wstest.Eventually(n.t, "no sender waits or is resumed", func() bool {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return r.InUseLocked() == 0 && r.Waiting().Len() == 0 && len(r.Senders()) == 0 && n.hub.ResumedSenders().Load() == 0
	})
}

// TestUnsweptIsBounded has 250 members that send 100 KB each at once (400 KB and the default
// bound in the long run). The room publishes as much as it may, and netpoll keeps and counts the
// other messages. Then all members but one close.
func TestUnsweptIsBounded(t *testing.T) {
	const senders = 250
	size, bound := 100_000, 256<<10
	if wstest.Long() {
		size, bound = 400_000, 0
	}
	m := &meter{Handler: mux.New(newHub(open(room.Config{MaxUnswept: bound, MaxPublication: size})))}
	n := startWith(t, m.Hub(), netpoll.Config{Workers: 2}, m)
	clients := n.joinAll(senders, "/r", plain)
	r := n.room("r")
	release := holdSweeps(t, r)
	frame := frameOf(word(0, 0, size))
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < senders; i += 8 {
				clients[i].ResetDeadline()
				if _, err := clients[i].Conn.Write(frame); err != nil {
					t.Errorf("sender %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	n.held(senders - 2)
	if st := n.s.Stats(); st.MessagesIn != senders || st.Unfinished < int64((senders-2)*size) {
		t.Errorf("%d messages have come, %d bytes are unfinished", st.MessagesIn, st.Unfinished)
	}
	if peak, limit := m.peak.Load(), int64(m.Hub().Config().MaxUnswept); peak < int64(2*size) || peak > limit {
		t.Errorf("%d bytes were unswept, bound %d", peak, limit)
	}
	for _, c := range clients[1:] {
		c.Conn.Close()
	}
	release()
	last := clients[0]
	last.Conn.SetDeadline(time.Time{})
	wg.Go(func() { io.Copy(io.Discard, last.Reader) }) // messages from before the server saw them close
	wstest.Eventually(t, "one member is left", func() bool { return n.holds() == (room.Stats{Rooms: 1, Members: 1}) })
	if peak, limit := m.peak.Load(), int64(m.Hub().Config().MaxUnswept); peak > limit {
		t.Errorf("%d bytes were unswept at the end, bound %d", peak, limit)
	}
	n.idle("r")
	last.Conn.Close()
	wg.Wait()
}

// TestSendersTakeTurns has many senders that also read, each with messages of all sizes, some of
// them larger than the bound. It checks that each message is delivered once, in the order of its
// sender, and that the unswept bytes stay below the bound, or are one message.
func TestSendersTakeTurns(t *testing.T) {
	senders, each := 14, 12
	if wstest.Long() {
		senders = 80
	}
	const bound, largest = 20_000, 50_000
	sizeOf := func(sender, k int) int { return []int{largest - 4, 10, 3000, 9000, 300, 19_000, 128}[(sender+k)%7] }
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			m := &meter{Handler: mux.New(newHub(open(room.Config{MaxUnswept: bound})))}
			n := startWith(t, m.Hub(), roomy(netpoll.Config{Workers: workers}), m)
			members := n.joinAll(senders, "/r", variants)
			var wg sync.WaitGroup
			for i, c := range members {
				wg.Go(func() {
					for k := range each {
						if err := c.send(ws.OpText, word(i, k, sizeOf(i, k))); err != nil {
							t.Errorf("sender %d, message %d: %v", i, k, err)
						}
					}
				})
				wg.Go(func() {
					next := make([]int, senders)
					for range senders * each {
						_, p, err := c.read()
						if err != nil {
							t.Errorf("member %d, behind %v: %v", i, next, err)
							return
						}
						var from, k int
						if _, err := fmt.Sscan(string(p[:min(len(p), 20)]), &from, &k); err != nil || k != next[from] || string(p) != word(from, k, sizeOf(from, k)) {
							t.Errorf("member %d got %.20q, want message %d of that sender", i, p, next[from])
							return
						}
						next[from]++
					}
				})
			}
			wg.Wait()
			if peak := m.peak.Load(); peak > largest {
				t.Errorf("%d bytes were unswept at a time, want %d at most", peak, largest)
			}
			if got := n.s.Stats().MessagesIn; got != int64(senders*each) {
				t.Errorf("%d messages are counted, want %d", got, senders*each)
			}
			n.idle("r")
		})
	}
}

// TestSendersAreResumedInOrder checks that waiting senders are resumed in their order, as many as
// fit, that a message larger than the bound is published when nothing else is unswept, and that
// no sender overtakes another.
func TestSendersAreResumedInOrder(t *testing.T) {
	const bound = 1000
	n := start(t, room.Config{MaxUnswept: bound}, netpoll.Config{Workers: 1})
	members := n.joinAll(9, "/r", plain)
	release := holdSweeps(t, n.room("r"))
	sizes := []int{300, 5000, 100, 800, 20, 1001, 10, 990, 1}
	var want []string
	for i, c := range members {
		want = append(want, word(i, 0, sizes[i]))
		if _, err := c.Conn.Write(frameOf(want[i])); err != nil {
			t.Fatal(err)
		}
		wstest.Eventually(t, "it has come", func() bool { return n.s.Stats().MessagesIn == int64(i+1) })
		if i > 0 {
			n.held(i)
		}
	}
	if err := n.say("r", "x"); err != room.ErrBusy {
		t.Errorf("publishing while members wait: %v", err)
	}
	release()
	for i, c := range members {
		for j, m := range want {
			if _, p, err := c.read(); err != nil || string(p) != m {
				t.Fatalf("member %d, message %d: %.20q, %v; want %.20q", i, j, p, err, m)
			}
		}
	}
	n.idle("r")
}

// TestSendersThatCloseDelayNobody checks that senders that close while they wait, or after they
// were resumed, do not delay others.
func TestSendersThatCloseDelayNobody(t *testing.T) {
	const bound = 1000
	fill := word(0, 0, 900)
	for _, c := range []struct {
		name string
		do   func(n *node, conns []netpoll.Conn, members []*client, release func())
		want []int // senders whose message comes
	}{
		{"a waiting sender closes", func(n *node, conns []netpoll.Conn, _ []*client, release func()) {
			conns[1].Close(4000, "")
			release()
		}, []int{2, 3}},
		{"all waiting senders close", func(n *node, conns []netpoll.Conn, _ []*client, release func()) {
			for _, c := range conns[1:] {
				c.Close(4000, "")
			}
			release()
		}, nil},
		{"a resumed sender does not come", func(n *node, conns []netpoll.Conn, _ []*client, release func()) {
			conns[1].Pause()
			release()
			wstest.Eventually(n.t, "it is resumed", func() bool { return n.hub.ResumedSenders().Load() == 1 && n.hub.Stats().Waiting == 2 })
			n.hub.ReclaimResumed()
			n.hub.ReclaimResumed()
			wstest.Eventually(n.t, "the others have come", func() bool { return n.hub.Stats().Waiting == 0 })
			conns[1].Resume()
		}, []int{2, 3, 1}},
		{"a resumed sender closes", func(n *node, conns []netpoll.Conn, members []*client, release func()) {
			conns[1].Pause()
			release()
			wstest.Eventually(n.t, "it is resumed", func() bool { return n.hub.ResumedSenders().Load() == 1 && n.hub.Stats().Waiting == 2 })
			conns[1].Close(4000, "")
			members[1].expect(n.t, ws.OpText, fill)
			members[1].expect(n.t, ws.OpClose, string(ws.NewCloseFrameBody(4000, "")))
			if err := members[1].send(ws.OpClose, string(ws.NewCloseFrameBody(4000, ""))); err != nil {
				n.t.Fatal(err)
			}
			members[1].Conn.Close()
			r := n.room("r")
			wstest.Eventually(n.t, "it has left", func() bool { return r.Len() == 4 })
			r.Mu().Lock()
			defer r.Mu().Unlock()
			if r.Senders()[conns[1].ID()] != nil {
				n.t.Error("it is still a sender")
			}
		}, []int{2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := start(t, room.Config{MaxUnswept: bound}, netpoll.Config{Workers: 1})
			reader := n.join("/r", noDeflate)
			var members []*client
			var conns []netpoll.Conn
			for range 4 {
				m := n.join("/r", noDeflate)
				members, conns = append(members, m), append(conns, n.connOf(m))
			}
			release := holdSweeps(t, n.room("r"))
			if err := n.say("r", fill); err != nil {
				t.Fatal(err)
			}
			for i, m := range members[1:] {
				if err := m.send(ws.OpText, word(i+1, 0, 950)); err != nil {
					t.Fatal(err)
				}
				n.held(i + 1)
			}
			c.do(n, conns, members, release)
			reader.expect(t, ws.OpText, fill)
			for _, i := range c.want {
				reader.expect(t, ws.OpText, word(i, 0, 950))
			}
			n.idle("r")
		})
	}
}

// TestFlowControlOutlivesGroups checks that senders are resumed when the group ends whose sweep
// they waited for, and that nothing is left when the last member leaves while it waits.
func TestFlowControlOutlivesGroups(t *testing.T) {
	n := start(t, room.Config{MaxUnswept: 1000}, netpoll.Config{Workers: 1, DeflateMin: 5000})
	members := []*client{n.join("/r", noDeflate), n.join("/r", noDeflate)}
	behind := n.join("/r", deflate)
	r := n.room("r")
	holdSweeps(t, r)
	fill := word(0, 0, 900)
	if err := n.say("r", fill); err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		if err := m.send(ws.OpText, word(1, i, 950)); err != nil {
			t.Fatal(err)
		}
		n.held(i + 1)
	}
	r.Groups()[netpoll.Plain].Shards()[0].EndPause()
	members[0].expect(t, ws.OpText, fill)
	n.held(2) // for the other group
	behind.leave(t)
	for i := range members {
		members[0].expect(t, ws.OpText, word(1, i, 950))
	}
	n.idle("r")

	release := holdSweeps(t, r)
	for range 2 {
		if err := members[0].send(ws.OpText, fill); err != nil {
			t.Fatal(err)
		}
	}
	n.held(1)
	for _, m := range members {
		n.connOf(m).Close(4000, "")
		m.Conn.Close()
	}
	wstest.Eventually(t, "the room has ended", func() bool { return n.holds() == (room.Stats{}) })
	release()
	if r.Waiting().Len() != 0 || len(r.Senders()) != 0 || r.Resumed() != 0 || r.Acquired() != 0 || n.hub.ResumedSenders().Load() != 0 {
		t.Errorf("the room ended with %d of %d senders waiting, %d bytes of resumed senders, and %d acquired", r.Waiting().Len(), len(r.Senders()), r.Resumed(), r.Acquired())
	}
}
