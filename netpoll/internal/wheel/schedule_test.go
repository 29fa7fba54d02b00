package wheel

import (
	"testing"

	"pgregory.net/rapid"
)

// The records of a ping group are pinged together, all groups evenly over the interval, none before
// its time or more than an interval after.
func TestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked := rapid.Uint32Range(1, 5000).Draw(t, "interval")
		s := Every(asked, 0, false)
		interval, g := s.Interval, s.Grain
		if interval > asked || interval < asked-asked/25 || interval%g != 0 || g > idleTicks {
			t.Fatalf("asked for %d, pings come every %d in steps of %d", asked, interval, g)
		}
		from := rapid.SampledFrom([]uint32{0, 1, 99, 100, 1e6, 1<<31 - 5}).Draw(t, "from") + rapid.Uint32Range(0, 300).Draw(t, "later")
		counts := map[uint32]int{}
		groups := int(interval/g) * 3
		for i := range groups {
			at := s.First(uint32(i*groupSize), from)
			if last := s.First(uint32((i+1)*groupSize-1), from); last != at {
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

var (
	silence = Schedule{Interval: 250, Grain: 10, Timeout: 100}
	fixed   = Schedule{Interval: 250, Grain: 10, Timeout: 80, Fixed: true}
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Schedule
		p    Peer
		want Decision
	}{
		{"no heartbeats", Schedule{}, Peer{Now: 1000, First: true}, Decision{Action: Never}},
		{"new", silence, Peer{Now: 1000, Seen: 1000, First: true}, Decision{Action: Send}},
		{"heard just now", silence, Peer{Now: 1000, Seen: 996}, Decision{Wait, 1240}},
		{"silent, not long enough", silence, Peer{Now: 1239, Seen: 996}, Decision{Wait, 1240}},
		{"silent for an interval", silence, Peer{Now: 1240, Seen: 996}, Decision{Action: Send}},
		{"pinged, no answer yet", silence, Peer{Now: 1260, Seen: 996, Sent: 1240, Pinged: true}, Decision{Answer, 1340}},
		{"pinged, and late", silence, Peer{Now: 1340, Seen: 996, Sent: 1240, Pinged: true}, Decision{Action: Late}},
		{"late, but something may have arrived", silence, Peer{Now: 1340, Seen: 996, Sent: 1240, Pinged: true, Readable: true}, Decision{Answer, 1341}},
		{"pinged, and answered in the same tick", silence, Peer{Now: 1260, Seen: 1240, Sent: 1240, Pinged: true}, Decision{Wait, 1490}},
		{"late, but not read", silence, Peer{Now: 1340, Seen: 996, Sent: 1240, Pinged: true, Unread: true}, Decision{Wait, 1590}},

		{"fixed: heard just now, and due", fixed, Peer{Now: 1000, Seen: 1000, Sent: 750}, Decision{Action: Send}},
		{"fixed: not due", fixed, Peer{Now: 999, Seen: 1, Sent: 755}, Decision{Wait, 1000}},
		{"fixed: no answer yet", fixed, Peer{Now: 800, Seen: 749, Sent: 750, Pinged: true}, Decision{Answer, 830}},
		{"fixed: late", fixed, Peer{Now: 830, Seen: 749, Sent: 750, Pinged: true}, Decision{Action: Late}},
		{"fixed: late, but something may have arrived", fixed, Peer{Now: 830, Seen: 749, Sent: 750, Pinged: true, Readable: true}, Decision{Answer, 831}},
		{"fixed: late, but not read", fixed, Peer{Now: 830, Seen: 749, Sent: 750, Pinged: true, Unread: true}, Decision{Wait, 1000}},
		{"fixed: not read, and due", fixed, Peer{Now: 1000, Seen: 749, Sent: 750, Pinged: true, Unread: true}, Decision{Action: Send}},
		{"ticks begin again at 0", silence, Peer{Now: 5, Seen: 1<<32 - 100}, Decision{Wait, 150}},
	} {
		if got := c.s.Decide(c.p); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A client that answers late, but in time, is pinged again at the interval: however long the timeout
// is, the next decision comes after an interval at the latest.
func TestLongTimeoutKeepsTheInterval(t *testing.T) {
	s := Schedule{Interval: 10, Grain: 1, Timeout: 36000}
	for now, want := range map[uint32]uint32{110: 120, 36095: 36100} {
		if got := s.Decide(Peer{Now: now, Seen: 99, Sent: 100, Pinged: true}); got != (Decision{Answer, want}) {
			t.Errorf("at %d: %+v, want an answer until %d", now, got, want)
		}
	}
	if at := s.AfterSend(100, true); at != 110 {
		t.Errorf("after a ping it is decided again at %d", at)
	}
}

func TestAfterSend(t *testing.T) {
	noAnswer := Schedule{Interval: 250, Grain: 10, Fixed: true}
	for _, c := range []struct {
		s    Schedule
		ok   bool
		want uint32
	}{
		{silence, true, 1104}, {silence, false, 1254}, {fixed, true, 1084}, {fixed, false, 1250}, {noAnswer, true, 1250}, {noAnswer, false, 1250},
	} {
		if got := c.s.AfterSend(1004, c.ok); got != c.want {
			t.Errorf("%+v, sent %v: %d, want %d", c.s, c.ok, got, c.want)
		}
	}
}

// Over a long time, of any client: heartbeats come at the interval, no silent client stays, and none
// that answers in time is given up.
func TestScheduleOverTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.Uint32Range(2, 300).Draw(t, "interval")
		timeout := rapid.Uint32Range(1, interval-1).Draw(t, "timeout")
		s := Every(interval, timeout, rapid.Bool().Draw(t, "fixed"))
		p := Peer{Now: 1 << 20, Seen: 1<<20 - 1, First: !s.Fixed, Sent: 1 << 20}
		delay := rapid.Uint32Range(0, 2*timeout).Draw(t, "the client answers after")
		due, answerAt, last := p.Now, uint32(0), p.Now
		for end := p.Now + 20*interval; p.Now != end; p.Now++ {
			if answerAt == p.Now && answerAt != 0 {
				p.Seen, answerAt = p.Now, 0
			}
			if due != p.Now {
				continue
			}
			d := s.Decide(p)
			switch d.Action {
			case Late:
				if p.Now-p.Sent < timeout || delay < timeout {
					t.Fatalf("given up %d after the ping, the timeout is %d; it answers after %d", p.Now-p.Sent, timeout, delay)
				}
				return
			case Send:
				if since := p.Now - last; since > s.Interval+s.Grain+min(delay, timeout)+1 {
					t.Fatalf("a ping comes %d after the last, the interval is %d", since, s.Interval)
				}
				p.First, p.Pinged, p.Sent, last = false, true, p.Now, p.Now
				answerAt = p.Now + max(1, delay)
				d.At = s.AfterSend(p.Now, true)
			case Wait:
				p.Pinged = false
			}
			if int32(d.At-p.Now) <= 0 {
				t.Fatalf("at %d it is decided again at %d", p.Now, d.At)
			}
			due = d.At
		}
		if delay > timeout+1 {
			t.Fatalf("the client answers after %d, the timeout is %d, and it is still there", delay, timeout)
		}
	})
}
