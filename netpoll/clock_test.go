package netpoll

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"webim/netpoll/wstest"

	"golang.org/x/sys/unix"
)

// Whoever looks moves the clock on, and nobody moves it back.
func TestClockGoesOn(t *testing.T) {
	c := clock{start: time.Now().Add(-time.Hour), tick: 10 * time.Microsecond}
	if first := c.look(); first < uint32(time.Hour/c.tick) {
		t.Errorf("an hour after the start it is tick %d", first)
	}
	other := c.look() + 1e6 // who looked later, and was faster
	if c.now.Store(other); c.look() != other {
		t.Errorf("it went back from %d to %d", other, c.now.Load())
	}
	c.now.Store(0)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20_000 {
				before := c.now.Load()
				if now := c.look(); int32(now-before) < 0 {
					t.Errorf("it went from %d to %d", before, now)
					return
				}
			}
		})
	}
	all.Wait()
}

// Whole seconds are called at the clock's own, all others as they were asked for.
func TestClockInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock{start: time.Now()}
		for _, step := range []struct{ past, d, want time.Duration }{
			{0, time.Second, time.Second},
			{300 * time.Millisecond, time.Second, 700 * time.Millisecond},
			{1700 * time.Millisecond, 60 * time.Second, 59300 * time.Millisecond},
			{1700 * time.Millisecond, 1500 * time.Millisecond, 1500 * time.Millisecond},
			{1700 * time.Millisecond, 0, 0},
		} {
			time.Sleep(time.Until(c.start.Add(step.past)))
			if got := c.inStep(step.d); got != step.want {
				t.Errorf("%v after the start, %v is %v; want %v", step.past, step.d, got, step.want)
			}
		}
	})
}

// Ticks of whole seconds come at the clock's, the first and all that follow.
func TestTickInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{}, nil)
		time.Sleep(300 * time.Millisecond)
		calls := make(chan time.Duration)
		timer := s.Tick(time.Second, func() {
			at := time.Since(s.clock.start)
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

// The time until a tick is right where ticks begin again at 0, too.
func TestClockUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tick = 100 * time.Millisecond
		for _, past := range []time.Duration{0, 7 * tick, 1<<31*tick - tick/2, 1<<32*tick - tick/2, 1<<32*tick + 3*tick/2} {
			c := clock{start: time.Now().Add(-past), tick: tick}
			c.now.Store(uint32((past - past/8) / tick)) // who is at rest looks as often as that
			now := c.look()
			for _, ahead := range []int32{-600, -1, 0, 1, 300, 1 << 30} {
				want := time.Duration(ahead)*tick - past%tick
				if got := c.until(now + uint32(ahead)); got != want {
					t.Errorf("%v after the start, %d ticks ahead are %v; want %v", past, ahead, got, want)
				}
			}
		}
	})
}

// A server at rest does not move its clock, and all that needs it looks: a
// connection that comes after an hour of that has all its time before it.
func TestClockAfterRest(t *testing.T) {
	s := New(Config{PingInterval: -1, HandshakeTimeout: 10 * time.Second}, &Funcs{})
	s.clock.start = time.Now().Add(-time.Hour)
	if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	wstest.Eventually(t, "the workers wait", func() bool { busy, _ := s.pool.use(); return busy == 0 })
	s.clock.now.Store(0)
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
	wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.Load() == turnIdle })
	c.r.sent.Store(s.clock.now.Load() - s.ticks.write - 10)
	c.r.mu.Lock()
	s.blockedLocked(c.r)
	c.r.mu.Unlock()
	s.timeUp(c.r)
	wstest.Eventually(t, "it is looked at", func() bool { return c.r.flags.Load()&fTimer == 0 && c.r.turn.Load() == turnIdle })
	if !c.Exists() {
		t.Error("closed, though it was blocked just now")
	}
}

// rings reports whether an alarm rings within d.
func rings(t *testing.T, a *alarm, d time.Duration) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLIN}}, int(d.Milliseconds()))
		if err == nil {
			return n == 1
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// An alarm rings from its time on until it is set anew.
func TestAlarm(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(a.fd)
	if rings(t, a, 0) {
		t.Error("it rings before it was set")
	}
	a.set(time.Hour)
	if rings(t, a, 0) {
		t.Error("set to an hour, it rings at once")
	}
	for _, d := range []time.Duration{time.Millisecond, 0, -time.Hour} {
		began := time.Now()
		a.set(d)
		if !rings(t, a, 10*time.Second) || !rings(t, a, 0) {
			t.Errorf("set to %v, it does not go on ringing", d)
		}
		if took := time.Since(began); took < d {
			t.Errorf("set to %v, it rang after %v", d, took)
		}
		a.set(time.Hour)
		if rings(t, a, 0) {
			t.Errorf("set to %v, then anew, it rings still", d)
		}
	}
}
