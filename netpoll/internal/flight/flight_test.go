package flight

import (
	"slices"
	"sync"
	"testing"

	"webim/netpoll/wstest"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestLatestEvents checks that the latest events are kept in their order, and that equal ones of a short
// time are one.
func TestLatestEvents(t *testing.T) {
	var r Recorder
	for i := range uint32(10) {
		r.Note(5, Event{At: 100 * i, Kind: 1, Code: uint16(i), Bytes: i, Count: 1}, 10)
	}
	got := r.Events(nil, 5)
	if len(got) != Kept || got[0].Code != 3 || got[Kept-1].Code != 9 {
		t.Fatalf("the events are %v", got)
	}
	for at := range uint32(400) {
		r.Note(5, Event{At: 1000 + at, Kind: 2, Bytes: 1 << 30, Count: 1}, 300)
	}
	got = r.Events(nil, 5)
	if last := got[Kept-2:]; last[0] != (Event{At: 1000, Kind: 2, Bytes: 1<<32 - 1, Count: 255}) || last[1].Count != 100 {
		t.Errorf("the last ones are %v", last)
	}
}

// TestPlacesAreShared checks that a connection never gets the events of another one.
func TestPlacesAreShared(t *testing.T) {
	var r Recorder
	const a, b = uint64(7), uint64(7 + places)
	r.Note(a, Event{Kind: 1, Code: 1}, 1)
	if got := r.Events(nil, b); got != nil {
		t.Errorf("the other one has %v", got)
	}
	r.Note(b, Event{Kind: 1, Code: 2}, 1)
	if got := r.Events(nil, b); !slices.Equal(got, []Event{{Kind: 1, Code: 2}}) || r.Events(nil, a) != nil {
		t.Errorf("the place has %v", got)
	}
}

func TestTrips(t *testing.T) {
	var all Trips
	all.Begin(9, 1000)
	if _, ok := all.End(9+underWay, 1500); ok {
		t.Error("another connection's ping is answered")
	}
	if took, ok := all.End(9, 1500); !ok || took != 500 {
		t.Errorf("it took %d, %v", took, ok)
	}
	if _, ok := all.End(9, 1600); ok {
		t.Error("it is answered twice")
	}
	var group sync.WaitGroup
	for id := range uint64(8) {
		group.Go(func() {
			for range 1000 {
				all.Begin(1+id*underWay, 0)
				if took, ok := all.End(1+id*underWay, 7); ok && took != 7 {
					t.Errorf("it took %d", took)
				}
			}
		})
	}
	group.Wait()
}

func TestRounded(t *testing.T) {
	for n := int64(-5); n < 1<<44; n = n*17/16 + 1 {
		got := Round(n).Int()
		want := max(0, n)
		if want < 1<<42 && (got > want || got < want-want/1000) {
			t.Errorf("%d becomes %d", n, got)
		}
	}
	if Round(1<<60) < Round(1<<41) {
		t.Error("a large number becomes small")
	}
}
