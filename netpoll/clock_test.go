package netpoll

import (
	"testing"
	"testing/synctest"
	"time"

	"webim/netpoll/wstest"
)

// Ticks of whole seconds come at the clock's, the first and all that follow.
func TestTickInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{}, nil)
		time.Sleep(300 * time.Millisecond)
		calls := make(chan time.Duration)
		timer := s.Tick(time.Second, func() {
			at := time.Since(s.clock.Start)
			time.Sleep(10 * time.Millisecond) // which delays no other
			calls <- at
		})
		for want := time.Second; want < 5*time.Second; want += time.Second {
			if got := <-calls; got != want {
				t.Errorf("called after %v, want %v", got, want)
			}
		}
		timer.Stop()
	})
}

// A server at rest does not move its clock, and all that needs it looks: a
// connection that comes after an hour of that has all its time before it.
func TestClockAfterRest(t *testing.T) {
	s := New(Config{PingInterval: -1, HandshakeTimeout: 10 * time.Second}, &Funcs{})
	s.clock.Start = time.Now().Add(-time.Hour)
	if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	wstest.Eventually(t, "the workers wait", func() bool { busy, _ := s.ready.Use(); return busy == 0 })
	s.clock.Last.Store(0)
	c, end := join(t, s, 0)
	end.Write(wstest.Frame(0x89, ""))
	if f := nextFrame(t, end); f[0] != 0x8a {
		t.Fatalf("got % x", f)
	}
	i, _ := c.Info()
	for what, at := range map[string]time.Time{"opened": i.Opened, "received": i.LastReceive, "sent": i.LastSend} {
		if ago := time.Since(at); ago > time.Minute || ago < -time.Minute {
			t.Errorf("%s %v ago", what, ago)
		}
	}
}

// A socket that is blocked after long silence has all of WriteTimeout.
func TestBlockedAfterRest(t *testing.T) {
	s := serve(t, Config{WriteTimeout: time.Hour}, nil)
	c, _ := join(t, s, 4096)
	wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.String() == "idle" })
	c.r.sent.Store(s.clock.Last.Load() - s.cfg().ticks.write - 10)
	c.r.mu.Lock()
	s.blockedLocked(c.r)
	c.r.mu.Unlock()
	s.timeUp(c.r)
	wstest.Eventually(t, "it is looked at", func() bool { return c.r.flags.Load()&fTimer == 0 && c.r.turn.String() == "idle" })
	if !c.Exists() {
		t.Error("closed, though it was blocked just now")
	}
}

// The wheel of a loop that has ended can be armed, without effect.
func TestWheelAfterTheEnd(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, _ := join(t, s, 0)
	s.Close()
	w := s.loops[c.r.loop].wheel
	w.Arm(c.r.index, s.clock.Look())
	if _, ok := w.Due(c.r.index); !ok {
		t.Error("the record is not on the wheel")
	}
	w.Remove(c.r.index)
}
