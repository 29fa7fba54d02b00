package room_test

import (
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/internal/pause"
)

// holdSweeps makes the shards of a quiet room pause until release is called.
func holdSweeps(t testing.TB, r *room.Room) (release func()) {
	t.Helper()
	var shards []*room.Shard
	wstest.Eventually(t, "the room is quiet", func() bool {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		r.ActivateLocked()
		shards = nil
		for _, g := range r.Groups() {
			if g == nil {
				continue
			}
			for _, sh := range g.Shards() {
				if sh.Pausing() || sh.Cursor() != g.Log().End() {
					return false
				}
				shards = append(shards, sh)
			}
		}
		for _, sh := range shards {
			sh.SetPausing(true)
		}
		return true
	})
	return func() {
		for _, sh := range shards {
			sh.EndPause()
		}
	}
}

// stayFull keeps the load of a hub full: the load is not known, and its window never ends.
func stayFull(l *pause.Load) { l.Add(math.MaxInt64, 0, 0) }

// sweeps has the ends of a room's sweeps: the bytes that were pending at each, and whether a
// pause followed.
type sweeps struct {
	mu      sync.Mutex
	pending []uint64
	paused  []bool
}

// watch notes the sweeps of a quiet room from now on.
func watch(r *room.Room) *sweeps {
	w := new(sweeps)
	r.Mu().Lock()
	defer r.Mu().Unlock()
	r.ActivateLocked()
	for _, g := range r.Groups() {
		if g == nil {
			continue
		}
		for _, sh := range g.Shards() {
			sh.SetTurn(r.Hub().Server().NewTurn(func() bool {
				more := sh.Sweep()
				r.Mu().Lock()
				defer r.Mu().Unlock()
				if sh.Cut().Len() == 0 { // else a batch
					w.mu.Lock()
					defer w.mu.Unlock()
					w.pending = append(w.pending, g.Log().End()-sh.Cursor())
					w.paused = append(w.paused, sh.Pausing())
				}
				return more
			}))
		}
	}
	return w
}

func (w *sweeps) count() (n, pauses int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, paused := range w.paused {
		if paused {
			pauses++
		}
	}
	return len(w.paused), pauses
}

// packets returns the number of TCP segments with data that a client has received. A write that
// the socket takes makes one segment, of up to 64 KiB on loopback.
func (c *client) packets(t testing.TB) int {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	err2 := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return int(info.Data_segs_in)
}

// TestPauseGathers checks that the messages that are published while a room pauses leave
// together: a hundred messages in one sweep and one write for each member, once the segments of
// the log have grown.
func TestPauseGathers(t *testing.T) {
	const messages, bursts = 100, 5
	n := start(t, room.Config{}, netpoll.Config{Workers: 2})
	members := n.joinAll(20, "/r", plain)
	runs := make([]run, len(members))
	for i := range runs {
		runs[i].sizes = small
	}
	r := n.room("r")
	for burst := range bursts {
		release := holdSweeps(t, r)
		w := watch(r)
		before := n.s.Stats().MessagesOut
		var packets []int
		for _, c := range members {
			packets = append(packets, c.packets(t))
		}
		last := (burst + 1) * messages
		for k := burst*messages + 1; k <= last; k++ {
			if err := n.say("r", small.message(k)); err != nil {
				t.Fatal(err)
			}
		}
		late := n.join("/r", noDeflate) // is owed nothing of these
		if got := n.s.Stats().MessagesOut; got != before {
			t.Errorf("%d messages left while the room paused", got-before)
		}
		release()
		for i, c := range members {
			if err := runs[i].follow(c, last); err != nil {
				t.Errorf("member %d: %v", i, err)
			}
			// Its socket buffer may wrap once.
			if got := c.packets(t) - packets[i]; got > 2 && burst == bursts-1 {
				t.Errorf("member %d got %d messages in %d packets", i, messages, got)
			}
		}
		members, runs = append(members, late), append(runs, run{sizes: small})
		if got, _ := w.count(); got > 8 || got != 1 && burst == bursts-1 {
			t.Errorf("burst %d: %d messages took %d sweeps", burst, messages, got)
		}
	}
	n.lockstep("r", bursts*messages+1, members, runs)
}

// TestBacklogIsSweptWithoutPause checks that messages that need more than one cut leave in few
// sweeps without a pause between them, if all of them were there when the first sweep began.
func TestBacklogIsSweptWithoutPause(t *testing.T) {
	for _, messages := range []int{100, 600} {
		t.Run(fmt.Sprint(messages, " messages"), func(t *testing.T) {
			const size = 1000
			n := start(t, room.Config{MaxUnswept: 1 << 30}, roomy(netpoll.Config{Workers: 1}))
			members := n.joinAll(150, "/r", plain) // so many that a sweep is worth a pause
			r := n.room("r")
			release := holdSweeps(t, r)
			w := watch(r)
			for k := 1; k <= messages; k++ {
				if err := n.say("r", sizes{size}.message(k)); err != nil {
					t.Fatal(err)
				}
			}
			release()
			var wg sync.WaitGroup
			for i, c := range members {
				wg.Go(func() {
					got := run{sizes: sizes{size}}
					if err := got.follow(c, messages); err != nil {
						t.Errorf("member %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			wstest.Eventually(t, "all is swept", func() bool { return n.hub.Stats().Unswept == 0 })
			few := 8 + 2*messages*size/netpoll.MaxCut
			if got, _ := w.count(); got > few {
				t.Errorf("%d messages of %d bytes took %d sweeps, want %d at most", messages, size, got, few)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for i, paused := range w.paused {
				if paused && w.pending[i] > 0 {
					t.Errorf("sweep %d of %d was followed by a pause with %d bytes pending", i, len(w.paused), w.pending[i])
				}
			}
		})
	}
}

// TestPauseAfterSweep checks that a sweep that took long is followed by a pause, and that a
// message that comes during the pause is delivered. With a negative MaxPause there is no pause,
// and neither is after a lone message.
func TestPauseAfterSweep(t *testing.T) {
	for _, c := range []struct {
		name   string
		pause  time.Duration
		burst  int
		pauses bool
	}{{"default", 0, 2, true}, {"a long one", time.Hour, 2, true}, {"none", -1, 2, false}, {"alone", 0, 1, false}} {
		t.Run(c.name, func(t *testing.T) {
			hub := newHub(open(room.Config{MaxPause: c.pause}))
			hub.SetArrivals(pause.NewArrivals(math.MaxInt64)) // the members are no burst
			n := startWith(t, hub, netpoll.Config{Workers: 2}, nil)
			stayFull(hub.Load())
			members := n.joinAll(300, "/r", plain)
			runs := make([]run, len(members))
			for i := range runs {
				runs[i].sizes = small
			}
			r := n.room("r")
			holdSweeps(t, r)()
			w := watch(r)
			for k := c.burst; k <= 5*c.burst; k += c.burst {
				release := holdSweeps(t, r)
				for i := 1; i < c.burst; i++ {
					if err := n.say("r", small.message(k-c.burst+i)); err != nil {
						t.Fatal(err)
					}
				}
				if err := n.say("r", small.message(k)); err != nil {
					t.Fatal(err)
				}
				release()
				for i, m := range members {
					if err := runs[i].follow(m, k); err != nil {
						t.Fatalf("member %d: %v", i, err)
					}
				}
			}
			if got, pauses := w.count(); (pauses > 0) != c.pauses {
				t.Errorf("%d pauses after %d sweeps", pauses, got)
			}
		})
	}
}

// TestPauseIsNotCutShort checks that a wake which was queued before the pause began does not end
// it.
func TestPauseIsNotCutShort(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{Workers: 1})
	c := n.join("/r", noDeflate)
	r := n.room("r")
	release := holdSweeps(t, r)
	if err := n.say("r", "during the pause"); err != nil {
		t.Fatal(err)
	}
	r.Groups()[netpoll.Plain].Shards()[0].Turn().Wake()
	behind := make(chan bool)
	n.s.NewTurn(func() bool { close(behind); return false }).Wake()
	<-behind
	if st := n.hub.Stats(); st.Unswept == 0 || n.s.Stats().MessagesOut != 0 {
		t.Errorf("a sweep began: %+v", st)
	}
	release()
	c.expect(t, ws.OpText, "during the pause")
}

// TestConnectionsAreArrivals checks that the connections of both dialects are arrivals.
func TestConnectionsAreArrivals(t *testing.T) {
	for name, connect := range map[string]func(*node){
		"plain": func(n *node) { n.join("/r", noDeflate) }, "centrifuge": func(n *node) { n.chat() },
	} {
		hub, a := newHub(open(room.Config{})), pause.NewArrivals(1)
		hub.SetArrivals(a)
		connect(startWith(t, hub, netpoll.Config{}, nil))
		if !a.Burst(1) { // after 1 ns or later
			t.Errorf("a connection of the %s dialect is no arrival", name)
		}
	}
}

// TestPauseInABurst checks that a shard pauses after a lone message, too, while a burst of clients
// connects, and sends the messages that come meanwhile together.
func TestPauseInABurst(t *testing.T) {
	for threshold, burst := range map[int64]bool{1: true, math.MaxInt64: false} {
		hub, a := newHub(open(room.Config{MaxPause: time.Hour})), pause.NewArrivals(threshold)
		hub.SetArrivals(a)
		n := startWith(t, hub, netpoll.Config{}, nil)
		c := n.join("/r", noDeflate)
		r := n.room("r")
		r.Mu().Lock()
		sh := r.Groups()[room.KindOf(room.PlainDialect, netpoll.Plain, false)].Shards()[0]
		sh.G().Log().Append(ws.OpText, []byte("lone"))
		r.Mu().Unlock()
		if !sh.BeginSweep(time.Now()) {
			t.Fatal("nothing is pending")
		}
		sh.NextBatch(new([room.SweepBatch]room.ShardSlot))
		sh.SetElapsed(time.Hour)
		a.Add(hub.Now())
		sh.EndSweep(time.Now())
		if sh.Pausing() != burst {
			t.Errorf("burst: %v; the shard pauses: %v", burst, sh.Pausing())
		}
		for _, text := range []string{"one", "two"} {
			if err := n.say("r", text); err != nil {
				t.Fatal(err)
			}
		}
		if burst {
			r.Mu().Lock()
			if sh.Cursor() == sh.G().Log().End() || !sh.Pausing() {
				t.Error("the shard has swept during its pause")
			}
			r.Mu().Unlock()
			sh.EndPause()
		}
		c.expect(t, ws.OpText, "one")
		c.expect(t, ws.OpText, "two")
	}
}

// pacedEngine is an engine that gathers messages.
type pacedEngine struct {
	waitingEngine
	pause func() time.Duration
}

func (e *pacedEngine) Pace(pause func() time.Duration) { e.pause = pause }

// TestEngineGathersByLoad checks that an engine which gathers messages does so as long as the load of its hub says.
func TestEngineGathersByLoad(t *testing.T) {
	for _, longest := range []time.Duration{time.Millisecond, -1} {
		e := &pacedEngine{waitingEngine: waitingEngine{newWaitingEngine()}}
		h := newHub(open(room.Config{Engine: e, MaxPause: longest}))
		startWith(t, h, netpoll.Config{}, nil)
		if got := e.pause(); got != 0 {
			t.Errorf("before anything was swept, the engine gathers messages for %v", got)
		}
		now := h.Now()
		h.Load().Add(now+int64(time.Second), 0, 1)
		h.Load().Add(now+int64(time.Second+50*time.Millisecond), time.Hour, 1)
		if got, want := e.pause(), max(0, longest); got != want {
			t.Errorf("with a MaxPause of %v and much load the engine gathers messages for %v, want %v", longest, got, want)
		}
	}
}
