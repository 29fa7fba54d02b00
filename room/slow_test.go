package room_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
)

// joinNarrow makes a member whose socket takes little before it is full.
func (n *node) joinNarrow(path, extensions string) *client {
	n.t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		err2 := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return errors.Join(err, err2)
	}}
	c, status, err := n.dial(&d, path, extensions)
	if err != nil || status != http.StatusSwitchingProtocols {
		n.t.Fatalf("joining %s: %d, %v", path, status, err)
	}
	n.t.Cleanup(func() { c.Conn.Close() })
	return c
}

// lockstep publishes a message and waits until all of these members have it.
func (n *node) lockstep(room string, k int, members []*client, runs []run) {
	n.t.Helper()
	if err := n.say(room, runs[0].message(k)); err != nil {
		n.t.Fatal(err)
	}
	for i, c := range members {
		if err := runs[i].follow(c, k); err != nil {
			n.t.Fatalf("member %d: %v", i, err)
		}
	}
}

// A member that does not read is cut as slow, at the limit of its queue; the
// others get everything. What it had got until then is in order, too.
func TestSlowMemberIsCut(t *testing.T) {
	for _, c := range []struct {
		workers    int
		extensions string
	}{{1, noDeflate}, {2, noDeflate}, {2, deflate}} {
		t.Run(fmt.Sprint(c.workers, " workers ", c.extensions), func(t *testing.T) {
			n := start(t, room.Config{}, netpoll.Config{Workers: c.workers, SendBuffer: 4096, MaxQueue: 32 << 10})
			slow := n.joinNarrow("/r", c.extensions)
			members := n.joinAll(9, "/r", variants)
			runs := make([]run, len(members))
			thick := sizes{1000, 200, 3000, 50} // letters of one kind shrink well when compressed
			if c.extensions != noDeflate {
				thick = sizes{240, 250} // under DeflateMin
			}
			for i := range runs {
				runs[i].sizes = thick
			}
			k := 0
			for n.s.Stats().Closed[netpoll.Slow] == 0 {
				if k++; k > 10_000 {
					t.Fatalf("after %d messages nobody was cut: %+v", k, n.s.Stats())
				}
				n.lockstep("r", k, members, runs)
			}
			wstest.Eventually(t, "it is a member no more", func() bool { return n.hub.Stats().Members == len(members) })
			for range 50 {
				k++
				n.lockstep("r", k, members, runs)
			}
			for i := range runs {
				if err := runs[i].spans(1, k); err != nil {
					t.Errorf("member %d: %v", i, err)
				}
			}
			if st := n.s.Stats(); st.Closed[netpoll.Slow] != 1 || len(st.Closed) != 1 || st.Queued != 0 {
				t.Errorf("closed %v, %d bytes are queued", st.Closed, st.Queued)
			}
			r := run{sizes: thick}
			err := r.follow(slow, k)
			var broken net.Error
			if errors.As(err, &broken) && broken.Timeout() || err == nil || r.last >= k-50 || r.last > 0 && r.first != 1 {
				t.Errorf("the slow member got %d to %d of %d, then %v", r.first, r.last, k, err)
			}
		})
	}
}

// A reader that is stuck, within its limit, holds nobody up: neither its own
// room nor a small one, though one worker serves all. When it reads again it
// gets everything.
func TestStuckReaderHoldsNobodyUp(t *testing.T) {
	const messages, rounds = 300, 100
	n := start(t, room.Config{}, netpoll.Config{Workers: 1, SendBuffer: 4096})
	stuck := n.joinNarrow("/big", noDeflate)
	members := n.joinAll(30, "/big", plain)
	runs := make([]run, len(members))
	for i := range runs {
		runs[i].sizes = sizes{1500}
	}
	pair := n.joinAll(2, "/pair", plain)
	for k := 1; k <= messages; k++ {
		n.lockstep("big", k, members, runs)
	}
	if st := n.s.Stats(); st.Lagging != 1 || st.Queued == 0 {
		t.Fatalf("%d members lag, %d bytes are queued: the test needs one that is stuck", st.Lagging, st.Queued)
	}
	// A flood into the big room, and round trips in the small one.
	var flood sync.WaitGroup
	for i, c := range members {
		flood.Go(func() {
			if err := runs[i].follow(c, 2*messages); err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		})
	}
	flood.Go(func() {
		for k := messages + 1; k <= 2*messages; k++ {
			if err := n.say("big", runs[0].message(k)); err != nil {
				t.Errorf("message %d: %v", k, err)
			}
		}
	})
	for k := range rounds {
		for _, from := range pair {
			text := fmt.Sprint("round ", k)
			if err := from.send(ws.OpText, text); err != nil {
				t.Fatal(err)
			}
			pair[0].expect(t, ws.OpText, text)
			pair[1].expect(t, ws.OpText, text)
		}
	}
	flood.Wait()
	// Who has read all was perhaps blocked a moment ago, and the turn that says
	// otherwise is still to come.
	wstest.Eventually(t, "only one lags, and all are open", func() bool { st := n.s.Stats(); return st.Lagging == 1 && st.Open == 33 })
	r := run{sizes: sizes{1500}}
	if err := r.follow(stuck, 2*messages); err != nil || r.first != 1 {
		t.Errorf("it got %d to %d, %v", r.first, r.last, err)
	}
	wstest.Eventually(t, "nothing is queued", func() bool { st := n.s.Stats(); return st.Queued == 0 && st.Lagging == 0 })
}
