package janitor

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

func TestJanitorIsDue(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	var j Janitor
	for i, look := range []struct {
		held, live, allocated uint64 // the last since the look before
		want                  bool
	}{
		{2 * mib, 1 * mib, 9 * mib, false},               // the burst goes on
		{2 * mib, 1 * mib, 10 * kib, true},               // it is over
		{1 * mib, 1 * mib, 10 * kib, false},              // collected
		{1*mib + 200*kib, 1 * mib, 10 * kib, false},      // not worth it
		{1*mib + 256*kib, 1 * mib, 10 * kib, true},       // worth it now
		{3 * mib, 1 * mib, 65 * kib, false},              // steady load: the collector is at work
		{3 * mib, 3 * mib, 10 * kib, true},               // it is over, and live objects may have become garbage
		{1024*mib + 60*mib, 1024 * mib, 10 * kib, false}, // a large heap: too little to gain
		{1024*mib + 64*mib, 1024 * mib, 10 * kib, true},
		{1 * mib, 2 * mib, 0, false}, // swept since the collection: less is held than was alive
	} {
		if got := j.due(look.held, look.live, j.allocs+look.allocated); got != look.want {
			t.Errorf("look %d: %v, want %v", i, got, look.want)
		}
	}
}

// TestJanitorFollowsUp: after a collection some follow, further and further apart.
func TestJanitorFollowsUp(t *testing.T) {
	start := time.Now()
	j := Janitor{wait: firstFollowUp, again: start.Add(firstFollowUp)}
	var at []time.Duration
	for after := time.Duration(0); after < 5*time.Minute; after += time.Second {
		if now := start.Add(after); j.followUp(now) {
			at = append(at, after)
			j.again = now.Add(j.wait)
		}
	}
	if want := []time.Duration{4 * time.Second, 12 * time.Second, 28 * time.Second, 60 * time.Second}; !slices.Equal(at, want) {
		t.Errorf("after %v, want %v", at, want)
	}
	if j = (Janitor{wait: firstFollowUp, dirty: true}); j.followUp(start) {
		t.Error("a follow-up in the middle of a burst")
	}
}

// TestReserve checks that the reserve lets a small heap gather garbage, and that the janitor does not
// count it.
func TestReserve(t *testing.T) {
	t.Setenv("GOGC", "")
	old := debug.SetGCPercent(100)
	defer debug.SetGCPercent(old)
	SetGC()
	all := reserve.Load()
	defer func() { reserve.Store(nil) }()
	runtime.GC()
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	if metrics.Read(goal); goal[0].Value.Uint64() < reserveBytes*(100+gcPercent)/100 {
		t.Errorf("the next collection is at %d bytes", goal[0].Value.Uint64())
	}
	j := New()
	held, live, _ := j.read()
	reserve.Store(nil)
	heldAll, liveAll, _ := j.read()
	if heldAll-held < reserveBytes/2 || liveAll-live != reserveBytes {
		t.Errorf("held %d and live %d, with the reserve %d and %d", held, live, heldAll, liveAll)
	}
	runtime.KeepAlive(all)
}

var garbage []byte

// TestJanitorCleans makes garbage that nothing else collects soon.
func TestJanitorCleans(t *testing.T) {
	cleaned := false
	j := New()
	j.clean = func() { cleaned = true; Collect() }
	garbage = make([]byte, 64<<20)
	garbage = nil
	wstest.Eventually(t, "the janitor has cleaned", func() bool {
		j.Look()
		return cleaned
	})
}
