package latency

import (
	"testing"
	"time"
)

// TestNewest checks that the messages of a cut are assumed to have come evenly from the oldest on: a
// lone message is the oldest, and of four the newest came after three quarters of the time.
func TestNewest(t *testing.T) {
	for _, c := range []struct {
		messages int
		newest   int64
	}{{1, 1000}, {2, 3000}, {4, 4000}} {
		var s Shard
		s.Arrived(1000)
		s.Cut(5000, c.messages, 1)
		if s.oldest != 1000 || s.newest != c.newest || s.Pending() {
			t.Errorf("of %d messages the oldest came at %d, the newest at %d", c.messages, s.oldest, s.newest)
		}
	}
}

// TestLeftOver checks that the messages that a cut leaves over are assumed to have come after those
// of the cut.
func TestLeftOver(t *testing.T) {
	var s Shard
	s.Arrived(1000)
	for i, want := range []struct{ oldest, since int64 }{{1000, 2000}, {2000, 3000}, {3000, 4000}, {4000, 0}} {
		s.Cut(5000, 1, 1/float64(4-i))
		if s.oldest != want.oldest || s.since != want.since {
			t.Errorf("the oldest message of the cut came at %d, of the others at %d; want %+v", s.oldest, s.since, want)
		}
	}
}

// TestDeliveries checks that each message counts once for each member to which it was offered.
func TestDeliveries(t *testing.T) {
	var d Deliveries
	var s Shard
	s.Arrived(1)
	s.Cut(int64(time.Second), 2, 1)
	for range 5 { // members
		s.Offer(2)
	}
	s.End(int64(2*time.Second), 2, &d)
	if sweeps, swept := d.Sweeps.Load(), d.Swept.Load(); sweeps != 1 || swept != 2 {
		t.Errorf("%d messages of %d sweeps are counted, want 2 of 1", swept, sweeps)
	}
	c := d.Latency.Counts()
	if n := d.Offered.Load(); n != 10 || c.Total() != 10 {
		t.Errorf("%d are counted and %d measured, want 10", n, c.Total())
	}
	if low, high := c.Quantile(0), c.Quantile(1); low < time.Second || high > 3*time.Second {
		t.Errorf("they took from %v to %v", low, high)
	}
}
