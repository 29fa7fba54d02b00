package unfinished

import (
	"testing"

	"webim/netpoll/internal/frame"

	"github.com/gobwas/ws"
)

// The bound of all unfinished input is hard, whatever Near is about to do.
func TestUnfinishedIsBounded(t *testing.T) {
	total := Total{Near: func() {}}
	total.SetLimit(1000)
	var one, two Input
	one.SetTotal(&total)
	two.SetTotal(&total)
	if !one.hold(900) || !two.hold(100) {
		t.Error("what fits is refused")
	}
	if two.hold(101) {
		t.Error("a byte over the bound is kept")
	}
	if !two.hold(0) || !one.hold(1000) {
		t.Error("what was given back is not there")
	}
	if one.hold(0); total.Load() != 0 {
		t.Errorf("%d bytes are left", total.Load())
	}
}

// TestNearComesInTime checks that Near is called when bytes are added above 7/8, and only then.
func TestNearComesInTime(t *testing.T) {
	near := 0
	total := Total{Near: func() { near++ }}
	total.SetLimit(800)
	for i, c := range []struct {
		n      int
		near   int
		excess int64
	}{{700, 0, 0}, {1, 1, 1}, {-1, 1, 0}, {-700, 1, -700}, {800, 2, 100}} {
		if total.Add(c.n); near != c.near || total.Excess() != c.excess {
			t.Errorf("%d: Near was called %d times, want %d; excess %d, want %d", i, near, c.near, total.Excess(), c.excess)
		}
	}
}

// TestInput checks that an input counts all that it keeps, and copies the rest.
func TestInput(t *testing.T) {
	total := Total{Near: func() {}}
	total.SetLimit(1 << 20)
	var in Input
	in.SetTotal(&total)
	if !in.KeepHead([]byte("GET / HT"), 8, 1) || in.HasWork() || in.Held() < 8 {
		t.Errorf("a head: work %v, %d bytes", in.HasWork(), in.Held())
	}
	frames := []byte("frames")
	if !in.KeepReady(frames) || !in.HasWork() || in.Held() != 6 {
		t.Errorf("frames: work %v, %d bytes", in.HasWork(), in.Held())
	}
	p := Part{Again: Kept{Event: frame.Event{Op: ws.OpText, Data: make([]byte, 100)}}}
	rest := []byte("rest")
	if !in.Keep(rest, p) || !in.HasWork() || p.Empty() || in.Held() < 104 {
		t.Errorf("a kept message: work %v, %d bytes", in.HasWork(), in.Held())
	}
	if clear(rest); string(in.Rest) != "rest" {
		t.Errorf("the rest is %q", in.Rest)
	}
	if in.Uncount(); total.Load() != 0 {
		t.Errorf("%d bytes are left", total.Load())
	}
	if p = (Part{}); !p.Empty() {
		t.Error("the zero Part is not empty")
	}
}
