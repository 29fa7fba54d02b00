package wheel

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever looks moves the clock on, and nobody moves it back.
func TestClockGoesOn(t *testing.T) {
	c := Clock{Start: time.Now().Add(-time.Hour), Tick: 10 * time.Microsecond}
	if first := c.Look(); first < uint32(time.Hour/c.Tick) {
		t.Errorf("an hour after the start it is tick %d", first)
	}
	other := c.Look() + 1e6 // of a later caller that was faster
	if c.Last.Store(other); c.Look() != other {
		t.Errorf("it went back from %d to %d", other, c.Last.Load())
	}
	c.Last.Store(0)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20_000 {
				before := c.Last.Load()
				if now := c.Look(); int32(now-before) < 0 {
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
		c := Clock{Start: time.Now()}
		for _, step := range []struct{ past, d, want time.Duration }{
			{0, time.Second, time.Second},
			{300 * time.Millisecond, time.Second, 700 * time.Millisecond},
			{1700 * time.Millisecond, 60 * time.Second, 59300 * time.Millisecond},
			{1700 * time.Millisecond, 1500 * time.Millisecond, 1500 * time.Millisecond},
			{1700 * time.Millisecond, 0, 0},
		} {
			time.Sleep(time.Until(c.Start.Add(step.past)))
			if got := c.InStep(step.d); got != step.want {
				t.Errorf("%v after the start, %v is %v; want %v", step.past, step.d, got, step.want)
			}
		}
	})
}

// The time until a tick is right where ticks begin again at 0, too.
func TestClockUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tick = 100 * time.Millisecond
		for _, past := range []time.Duration{0, 7 * tick, 1<<31*tick - tick/2, 1<<32*tick - tick/2, 1<<32*tick + 3*tick/2} {
			c := Clock{Start: time.Now().Add(-past), Tick: tick}
			c.Last.Store(uint32((past - past/8) / tick)) // an idle loop looks as often as that
			now := c.Look()
			for _, ahead := range []int32{-600, -1, 0, 1, 300, 1 << 30} {
				want := time.Duration(ahead)*tick - past%tick
				if got := c.Until(now + uint32(ahead)); got != want {
					t.Errorf("%v after the start, %d ticks ahead are %v; want %v", past, ahead, got, want)
				}
			}
		}
	})
}

// rings reports whether an alarm rings within d.
func rings(t *testing.T, a *timerfd, d time.Duration) bool {
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
func TestTimerfd(t *testing.T) {
	a, err := newTimerfd()
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
