package netpoll

import (
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// A heartbeat whose ping was answered needs no turn before the next.
func TestAnsweredBeatNeedsNoTurn(t *testing.T) {
	m := newWheelModel(0, 1)
	r := m.recs[0]
	m.s.beats = []beat{{interval: 250, timeout: 80, grain: 4}}
	sent := uint32(100)
	for _, c := range []struct {
		name  string
		flags uint32
		seen  uint32
		due   uint32
		ok    bool
	}{
		{"answered", fPinged, sent, 350 - 350%4, true},
		{"not answered", fPinged, sent - 1, 0, false},
		{"not pinged", 0, 0, 350 - 350%4, true},
		{"blocked", fBlocked, sent, 0, false},
		{"paused", fPaused, sent, 0, false},
		{"with half a message", fUnfinished, sent, 0, false},
		{"closing", fClosing, sent, 0, false},
	} {
		r.flags.Store(fOpen | fBeat0 | c.flags)
		r.seen.Store(c.seen)
		r.deadline.Store(sent)
		if due, ok := m.s.nextPing(r, sent+80); ok != c.ok || ok && due != c.due {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, due, ok, c.due, c.ok)
		}
	}
}

// Who answers late, but in time, is pinged again at the interval: however long the
// patience, the wheel looks again after one.
func TestLateAnswerKeepsTheInterval(t *testing.T) {
	m := newWheelModel(0, 1)
	r := m.recs[0]
	m.s.ticks.ping, m.s.ticks.pong = 10, 36000
	r.flags.Store(fOpen | fPinged)
	r.deadline.Store(100)
	r.seen.Store(99)
	if got := m.s.heartbeat(r, 110, r.flags.Load()); got != 120 {
		t.Errorf("without an answer it is looked at again at %d, want 120", got)
	}
	if got := m.s.heartbeat(r, 36095, r.flags.Load()); got != 36100 {
		t.Errorf("shortly before the end it is looked at again at %d, want 36100", got)
	}
}

// The turn for a ping is one like all others: nobody has it twice at once, and
// what wakes it meanwhile is not lost.
func TestBeatNow(t *testing.T) {
	for _, c := range []struct {
		name          string
		gen           uint32
		before, after uint32
		fires         bool
		tasks         int
	}{
		{"idle, and gone", 2, turnIdle, turnIdle, false, 0},
		{"idle, and to be judged for more than its ping", 1, turnIdle, turnQueued, true, 1},
		{"queued", 1, turnQueued, turnQueued, true, 0},
		{"running", 1, turnRunning, turnAgain, true, 0},
		{"running, to run again", 1, turnAgain, turnAgain, true, 0},
	} {
		m := newWheelModel(0, 1)
		r := m.recs[0]
		for r.gen.Load() < c.gen {
			r.gen.Begin()
		}
		r.flags.Store(fOpen | fBlocked)
		r.turn.Store(c.before)
		m.s.beatNow(r)
		if turn, timer := r.turn.Load(), r.flags.Load()&fTimer != 0; turn != c.after || timer != c.fires || m.s.pool.front.n != c.tasks {
			t.Errorf("%s: turn %d, timer %v, %d tasks", c.name, turn, timer, m.s.pool.front.n)
		}
	}
}

// Each connection gets its first ping at its group's moment.
func TestFirstPingsAtTheirMoments(t *testing.T) {
	for name, interval := range map[string]time.Duration{"WebSocket pings": 50 * time.Second, "a heartbeat": -1} {
		t.Run(name, func(t *testing.T) {
			var id HeartbeatID
			s := New(Config{PingInterval: interval}, &Funcs{OnOpen: func(c Conn, _ *Request) { c.SetHeartbeat(id) }})
			ticks := s.ticks.ping
			if interval < 0 {
				f, _ := NewFrame(ws.OpText, []byte("{}"))
				id, _ = s.NewHeartbeat(Heartbeat{Frame: f, Interval: 40 * time.Second})
				ticks = s.beats[0].interval
			}
			if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			for range neighbours {
				s.slab.Get() // so that there are two groups
			}
			for range 3 {
				c, _ := join(t, s, 0)
				w := s.wheelOf(c.r)
				w.mu.Lock()
				due := c.r.slot.due
				w.mu.Unlock()
				if want := c.r.index / neighbours * rest; due%ticks != want || due == 0 {
					t.Errorf("connection %d is first pinged at %d of %d, want %d", c.r.index, due%ticks, ticks, want)
				}
			}
		})
	}
}

// The turn without a worker calls no handler, whatever has become of the
// connection since it was found settled.
func TestBeatNowCallsNobody(t *testing.T) {
	stack := make(chan string, 1)
	h := &closeCoder{ask: func() { stack <- string(debug.Stack()) }}
	s := serve(t, Config{WriteTimeout: time.Hour}, h)
	c, _ := join(t, s, 4096)
	wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.CompareAndSwap(turnIdle, turnRunning) })
	c.r.flags.Or(fBlocked)
	c.r.sent.Store(s.clock.look() - s.ticks.write - 1)
	c.r.turn.Store(turnIdle)
	s.beatNow(c.r)
	if by := <-stack; strings.Contains(by, "beatNow") {
		t.Errorf("the handler was called without a worker:\n%s", by)
	}
}

type closeCoder struct {
	Funcs
	ask func()
}

func (h *closeCoder) CloseCode(Conn, Cause) (ws.StatusCode, string) {
	h.ask()
	return 4000, "slow"
}

// What a deadline is made of is the time, not when somebody last looked.
func TestJudgeLooks(t *testing.T) {
	s := serve(t, Config{PingInterval: time.Hour}, nil)
	c, _ := join(t, s, 0)
	wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.CompareAndSwap(turnIdle, turnRunning) })
	now := s.clock.look()
	s.clock.now.Store(now - 50)
	c.r.flags.Or(fFirst)
	s.judge(c.r)
	if sent := c.r.deadline.Load(); int32(sent-now) < 0 {
		t.Errorf("a ping sent at %d counts as of %d", now, sent)
	}
	if endTurn(&c.r.turn, false) {
		s.pool.push(task{r: c.r})
	}
}

// A connection that ends is on no wheel afterwards, whatever its Close does: its
// record would be another's.
func TestHeartbeatInClose(t *testing.T) {
	var id HeartbeatID
	closed := make(chan struct{})
	s := New(Config{PingInterval: -1}, &Funcs{OnClose: func(c Conn, _ Closed) { c.SetHeartbeat(id); close(closed) }})
	f, _ := NewFrame(ws.OpText, []byte("{}"))
	id, _ = s.NewHeartbeat(Heartbeat{Frame: f, Interval: 20 * time.Second})
	if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	c, end := join(t, s, 0)
	end.Close()
	<-closed
	s.Close()
	for i, l := range s.loops {
		if l.wheel.n != 0 || c.r.slot.slot != 0 {
			t.Errorf("%d records are on the wheel of loop %d", l.wheel.n, i)
		}
	}
}

// Neighbours are pinged together, all of them evenly over the interval, none
// before its time or more than an interval after.
func TestMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.Uint32Range(1, 5000).Draw(t, "interval")
		asked := interval
		interval, g := pace(asked)
		if interval > asked || interval < asked-asked/25 || interval%g != 0 || g > rest {
			t.Fatalf("asked for %d, pings come every %d in steps of %d", asked, interval, g)
		}
		from := rapid.SampledFrom([]uint32{0, 1, 99, 100, 1e6, 1<<31 - 5}).Draw(t, "from") + rapid.Uint32Range(0, 300).Draw(t, "later")
		counts := map[uint32]int{}
		groups := int(interval/g) * 3
		for i := range groups {
			at := moment(uint32(i*neighbours), from, interval, g)
			if last := moment(uint32((i+1)*neighbours-1), from, interval, g); last != at {
				t.Fatalf("of a group one is pinged at %d, one at %d", at, last)
			}
			if at%g != 0 || int32(at-(from-g)) <= 0 || at-(from-g) > interval+g {
				t.Fatalf("asked at %d, group %d is pinged at %d, every %d in steps of %d", from, i, at, interval, g)
			}
			counts[at%interval]++
		}
		for at, n := range counts {
			if n != 3 {
				t.Fatalf("at %d of %d, %d groups of %d are pinged; want 3", at, interval, n, groups)
			}
		}
	})
}
