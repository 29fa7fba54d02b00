package room_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/mux"
)

// meter is a hub that notes how much was unswept behind each message.
type meter struct {
	*mux.Handler
	peak atomic.Int64
}

func (m *meter) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	m.Handler.Message(c, op, data)
	unswept := m.Hub().Stats().Unswept
	for {
		peak := m.peak.Load()
		if unswept <= peak || m.peak.CompareAndSwap(peak, unswept) {
			return
		}
	}
}

// Senders faster than the sweeps are not read meanwhile: what is unswept stays
// at its bound, and nothing is lost.
func TestSendersAreHeld(t *testing.T) {
	const senders, each, size, bound = 3, 600, 100, 1000
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			m := &meter{Handler: mux.New(newHub(open(room.Config{MaxUnswept: bound})))}
			n := startWith(t, m.Hub(), roomy(netpoll.Config{Workers: workers}), m)
			members := n.joinAll(10, "/r", variants)
			var wg sync.WaitGroup
			for i, c := range members {
				if i < senders {
					wg.Go(func() {
						var all []byte
						for k := range each {
							text := fmt.Appendf(nil, "%d %-*d", i, size-2, k)
							all = append(all, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(text)))...)
						}
						if _, err := c.Conn.Write(all); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Go(func() {
					var next [senders]int
					for range senders * each {
						_, p, err := c.read()
						if err != nil {
							t.Errorf("member %d, behind %v: %v", i, next, err)
							return
						}
						var from, k int
						if _, err := fmt.Sscan(string(p), &from, &k); err != nil || len(p) != size || k != next[from] {
							t.Errorf("member %d got %q, want message %d of that sender", i, p, next[from])
							return
						}
						next[from]++
					}
				})
			}
			wg.Wait()
			if peak := m.peak.Load(); peak <= bound/2 || peak > bound {
				t.Errorf("%d bytes were unswept at a time; want more than %d, and at most %d", peak, bound/2, bound)
			}
			wstest.Eventually(t, "nobody waits", func() bool {
				r := n.room("r")
				r.Mu().Lock()
				defer r.Mu().Unlock()
				return r.Waiting().Len() == 0 && r.UnsweptLocked() == 0
			})
		})
	}
}

// While more waits to be swept than may, publishing from the outside is
// refused and members are not read; then all goes on, and nothing is lost.
func TestBusyRoom(t *testing.T) {
	const bound, size = 2000, 100
	n := start(t, room.Config{MaxUnswept: bound}, netpoll.Config{Workers: 1})
	members := n.joinAll(3, "/r", plain)
	other := n.join("/other", noDeflate)
	truth := new(enginetest.Exclusive)
	n.hub.Engine().Subscribe("r", enginetest.NoPayer, truth)
	r := n.room("r")
	release := holdSweeps(t, r)
	k := 0
	for ; n.say("r", sizes{size}.message(k+1)) == nil; k++ {
		if k > bound/size {
			t.Fatal("never busy")
		}
	}
	if want := bound / (size + 2); k != want {
		t.Errorf("%d messages were taken, want %d", k, want)
	}
	if err := n.say("r", sizes{size}.message(k+1)); !errors.Is(err, room.ErrBusy) {
		t.Errorf("publishing into a busy room: %v", err)
	}
	n.hub.Publish("r", engine.Message{Op: ws.OpText, Data: make([]byte, size)}, nil) // done may be nil then, too
	if got := n.hub.Stats().Unswept; got != int64(k*(size+2)) {
		t.Errorf("%d bytes are unswept, want %d", got, k*(size+2))
	}
	// Each member waits with its first message, and is not read.
	for i, c := range members {
		var both []byte
		for range 2 {
			k++
			both = append(both, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(sizes{size}.message(k)))))...)
		}
		if _, err := c.Conn.Write(both); err != nil {
			t.Fatal(err)
		}
		wstest.Eventually(t, "the sender waits", func() bool {
			r.Mu().Lock()
			defer r.Mu().Unlock()
			return r.Waiting().Len() == i+1
		})
	}
	// Other rooms are not concerned.
	if err := other.send(ws.OpText, "hello"); err != nil {
		t.Fatal(err)
	}
	other.expect(t, ws.OpText, "hello")
	if got := n.s.Stats().MessagesIn; got != int64(len(members)+1) {
		t.Errorf("%d messages were decoded, want one of each sender", got)
	}
	// It ends its stream while it is held. It does not close its socket: the next write to that would
	// bring a reset, which may end the connection before its last message is handled.
	if err := members[2].Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	release()
	for i, c := range members[:2] {
		for j := range k {
			op, p, err := c.read()
			if err != nil || op != ws.OpText || len(p) != size {
				t.Fatalf("member %d, message %d: %x %.20q, %v", i, j, op, p, err)
			}
		}
	}
	wstest.Eventually(t, "it has left", func() bool { return r.Len() == 2 })
	wstest.Eventually(t, "the room takes messages again", func() bool { return n.say("r", "again") == nil })
	members[0].expect(t, ws.OpText, "again")
	n.hub.Engine().Unsubscribe("r", truth)
	if len(truth.Got()) != k+1 {
		t.Errorf("%d publications, want %d", len(truth.Got()), k+1)
	}
}

// Who leaves while it waits, or was just told to go on, holds nobody up.
func TestHeldSendersLeave(t *testing.T) {
	const bound, size = 2000, 100
	n := start(t, room.Config{MaxUnswept: bound}, netpoll.Config{Workers: 2})
	members := n.joinAll(6, "/r", plain)
	r := n.room("r")
	release := holdSweeps(t, r)
	for n.say("r", sizes{size}.message(1)) == nil {
	}
	for i, c := range members[:5] {
		if err := c.send(ws.OpText, sizes{size}.message(i)); err != nil {
			t.Fatal(err)
		}
	}
	wstest.Eventually(t, "they wait", func() bool {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return r.Waiting().Len() == 5
	})
	for c := range n.s.Conns() { // the server sends some away meanwhile
		if m, ok := n.hub.Member(c); ok && m.Slot.Index()%2 == 0 {
			if err := c.Close(4000, "go"); err != nil {
				t.Error(err)
			}
		}
	}
	release()
	n.idle("r")
	wstest.Eventually(t, "the room takes messages again", func() bool { return n.say("r", "again") == nil })
}
