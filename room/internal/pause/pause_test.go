package pause

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestAfter(t *testing.T) {
	for _, c := range []struct {
		sweep       time.Duration
		lone, burst bool
		longest     time.Duration
		want        time.Duration
	}{
		{ms, false, false, 25 * ms, 12 * ms},
		{5 * ms, false, false, 25 * ms, 25 * ms},
		{5 * ms, true, false, 25 * ms, 0},
		{ms, true, true, 25 * ms, 40 * ms},
		{ms, false, true, 25 * ms, 40 * ms},
		{5 * ms, true, true, 25 * ms, 100 * ms},
		{10 * time.Microsecond, false, true, 25 * ms, 0}, // too short for a timer
		{5 * ms, false, false, -1, 0},
		{5 * ms, true, true, -1, 0}, // without pauses there is none in a burst, either
	} {
		if got := After(c.sweep, c.lone, c.burst, loadFull, c.longest); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestLongestPause checks how long a shard pauses at most, by the load.
func TestLongestPause(t *testing.T) {
	for _, c := range []struct {
		load    float64
		longest time.Duration
		want    time.Duration
	}{
		{0, 25 * ms, 0},
		{loadNone, 25 * ms, 0},
		{(loadNone + loadShortFrom) / 2, 25 * ms, 2500 * time.Microsecond},
		{loadShortFrom, 25 * ms, 5 * ms},
		{loadShortTo, 25 * ms, 5 * ms},
		{(loadShortTo + loadFull) / 2, 25 * ms, 15 * ms},
		{loadFull, 25 * ms, 25 * ms},
		{1000, 25 * ms, 25 * ms},
		{loadShortFrom, 3 * ms, 3 * ms}, // MaxPause below shortPause
		{loadFull, 3 * ms, 3 * ms},
		{loadFull, time.Second, time.Second},
	} {
		if got := longestAt(c.load, c.longest); got != c.want {
			t.Errorf("at a load of %v and with a MaxPause of %v it is %v, want %v", c.load, c.longest, got, c.want)
		}
	}
	if got := longestAt(loadFull, -1); got > 0 {
		t.Errorf("without pauses it is %v", got)
	}
	for load := 0.0; load < 2*loadFull; load += 0.01 { // it has no step, and never falls
		a, b := longestAt(load, 25*ms), longestAt(load+0.01, 25*ms)
		if b < a || b-a > ms {
			t.Errorf("at a load of %v it is %v, at a slightly higher load %v", load, a, b)
		}
	}
}

// TestLoad checks that the load is the time that it would take to sweep each message by itself, and
// that it is forgotten when nothing has been swept for a while.
func TestLoad(t *testing.T) {
	l := new(Load)
	l.Begin(2)
	now := int64(1000 * ms)
	if got := l.Known(now); got != 0 {
		t.Errorf("before any sweep the load is known as %v", got)
	}
	l.Add(now, 0, 1) // begins a window
	for range 100 {  // each 10 ms: 5 messages, swept in 3 ms
		now += int64(10 * ms)
		l.Add(now, 3*ms, 5)
	}
	if got := l.Value(); got < 0.74 || got > 0.76 {
		t.Errorf("15 of 20 ms are a load of %v", got)
	}
	for range 10 { // fewer messages in each sweep, but more sweeps
		now += int64(2 * ms)
		l.Add(now, 3*ms, 1)
	}
	if got := l.Value(); got < 0.74 || got > 0.76 {
		t.Errorf("with more sweeps it is a load of %v", got)
	}
	if got := l.Known(now + int64(window)); got != l.Value() {
		t.Errorf("a load of %v is known as %v", l.Value(), got)
	}
	if got := l.Known(now + int64(window) + quiet); got != 0 {
		t.Errorf("long after the last sweep the load is known as %v", got)
	}
	now += int64(time.Second)
	if l.Add(now, 3*ms, 1); l.Value() != loadFull {
		t.Errorf("after a second without a sweep it is a load of %v", l.Value())
	}
}

// TestArrivals checks that a burst is many connections in one span, and ends soon after it: 1,000
// clients that have connected before the first message of a room are no burst.
func TestArrivals(t *testing.T) {
	const few, many = 99, 100
	a := NewArrivals(Threshold(2))
	now := int64(time.Hour)
	for i, c := range []struct {
		after    time.Duration
		arrivals int
		want     bool
	}{
		{0, 0, false},
		{span, few, false},
		{span, few, false},
		{span, many, true},
		{span, 0, true}, // it may go on
		{span, 0, false},
		{time.Second, 10 * many, true},
		{time.Second, 0, false}, // it is over, although Burst was not called meanwhile
		{time.Second, few, false},
		{time.Second, many, true},
		{span / 2, few, true},
	} {
		now += int64(c.after)
		for range c.arrivals {
			a.Add(now)
		}
		if got := a.Burst(now); got != c.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

// TestGather checks how long an engine gathers messages, by the load.
func TestGather(t *testing.T) {
	for _, c := range []struct {
		load    float64
		longest time.Duration
		want    time.Duration
	}{
		{0, 25 * ms, 0},
		{gatherNone, 25 * ms, 0},
		{(gatherNone + loadFull) / 2, 25 * ms, gatherPause / 2},
		{loadFull, 25 * ms, gatherPause},
		{1000, 25 * ms, gatherPause},
		{1000, ms, ms},
		{1000, -1, 0},
	} {
		if got := Gather(c.load, c.longest); got != c.want {
			t.Errorf("at a load of %v and with a MaxPause of %v: %v, want %v", c.load, c.longest, got, c.want)
		}
	}
}
