package netpoll

import (
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/wheel"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// A heartbeat whose ping was answered needs no turn before the next.
func TestAnsweredBeatNeedsNoTurn(t *testing.T) {
	s := New(Config{}, nil)
	r := s.slab.Get()
	s.heartbeats = []activeHeartbeat{{schedule: wheel.Schedule{Interval: 250, Timeout: 80, Grain: 4, Fixed: true}}}
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
		r.flags.Store(fOpen | fHeartbeat0 | c.flags)
		r.seen.Store(c.seen)
		r.deadline.Store(sent)
		if due, ok := s.nextPing(r, sent+80); ok != c.ok || ok && due != c.due {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, due, ok, c.due, c.ok)
		}
	}
}

// The turn for a ping is one like all others: nobody has it twice at once, and
// what wakes it meanwhile is not lost.
func TestPingOnLoop(t *testing.T) {
	for _, c := range []struct {
		name          string
		gen           uint32
		before, after string // states of the turn
		fires         bool
		tasks         int
	}{
		{"idle, and gone", 2, "idle", "idle", false, 0},
		{"idle, and to be judged for more than its ping", 1, "idle", "queued", true, 1},
		{"queued", 1, "queued", "queued", true, 0},
		{"running", 1, "running", "again", true, 0},
		{"running, to run again", 1, "again", "again", true, 0},
	} {
		s := New(Config{}, nil)
		r := s.slab.Get()
		for r.gen.Load() < c.gen {
			r.gen.Begin()
		}
		r.flags.Store(fOpen | fBlocked)
		switch c.before {
		case "queued":
			r.turn.Wake()
		case "running":
			r.turn.TryBegin()
		case "again":
			r.turn.TryBegin()
			r.turn.Wake()
		}
		s.pingOnLoop(r)
		turn, timer, tasks := r.turn.String(), r.flags.Load()&fTimer != 0, 0
		w := sched.Worker[*record]{List: s.ready, Run: func(*record) { tasks++ }}
		s.ready.Close()
		if w.Serve(); turn != c.after || timer != c.fires || tasks != c.tasks {
			t.Errorf("%s: turn %s, timer %v, %d tasks", c.name, turn, timer, tasks)
		}
	}
}

// Each connection gets its first ping at the phase of its ping group.
func TestFirstPings(t *testing.T) {
	for name, interval := range map[string]time.Duration{"WebSocket pings": 50 * time.Second, "a heartbeat": -1} {
		t.Run(name, func(t *testing.T) {
			var id HeartbeatID
			s := New(Config{PingInterval: interval}, &Funcs{OnOpen: func(c Conn, _ *Request) { c.SetHeartbeat(id) }})
			ticks := s.cfg().pings.Interval
			if interval < 0 {
				f, _ := NewFrame(ws.OpText, []byte("{}"))
				id, _ = s.NewHeartbeat(Heartbeat{Frame: f, Interval: 40 * time.Second})
				ticks = s.heartbeats[0].schedule.Interval
			}
			if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			const groupSize, idleTicks = 64, 10 // of package wheel
			for range groupSize {
				s.slab.Get() // so that there are two groups
			}
			for range 3 {
				c, _ := join(t, s, 0)
				due, _ := s.loops[c.r.loop].wheel.Due(c.r.index)
				if want := c.r.index / groupSize * idleTicks; due%ticks != want || due == 0 {
					t.Errorf("connection %d is first pinged at %d of %d, want %d", c.r.index, due%ticks, ticks, want)
				}
			}
		})
	}
}

// The turn without a worker calls no handler, whatever has become of the
// connection since it was found settled.
func TestPingOnLoopCallsNobody(t *testing.T) {
	stack := make(chan string, 1)
	h := &closeCoder{ask: func() { stack <- string(debug.Stack()) }}
	s := serve(t, Config{WriteTimeout: time.Hour}, h)
	c, _ := join(t, s, 4096)
	wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.TryBegin() })
	c.r.flags.Or(fBlocked)
	c.r.sent.Store(s.clock.Look() - s.cfg().ticks.write - 1)
	if c.r.turn.Done(false) {
		s.ready.Push(c.r)
	}
	s.pingOnLoop(c.r)
	if by := <-stack; strings.Contains(by, "pingOnLoop") {
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
	wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.TryBegin() })
	now := s.clock.Look()
	s.clock.Last.Store(now - 50)
	c.r.flags.Or(fFirst)
	s.checkDeadlines(c.r)
	if sent := c.r.deadline.Load(); int32(sent-now) < 0 {
		t.Errorf("a ping sent at %d counts as of %d", now, sent)
	}
	if c.r.turn.Done(false) {
		s.ready.Push(c.r)
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
	if due, ok := s.loops[c.r.loop].wheel.Due(c.r.index); ok {
		t.Errorf("its record is on the wheel, due at %d", due)
	}
}
