package jetstream

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// TestPagesWithoutHints compares random pages of rooms that have much, little and very little of a log with what was
// published there. Many of the messages name no publication before them, or one that is far away: the node did not know
// better when it sent them.
func TestPagesWithoutHints(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	published := map[string][]uint64{} // the offsets, by room
	var mu sync.Mutex
	var all sync.WaitGroup
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	send := func(room string) {
		all.Add(1)
		e.Publish(room, text("x"), func(pos engine.Position, err error) {
			defer all.Done()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			published[room] = append(published[room], pos.Offset)
		})
	}
	for range 30 {
		for range r.IntN(200) { // they are on their way together
			send("much")
			if r.IntN(20) == 0 {
				send("little")
			}
			if r.IntN(500) == 0 {
				send("least")
			}
		}
		all.Wait()
		if r.IntN(3) > 0 {
			e.topics.mu.Lock()
			clear(e.topics.own)
			e.topics.mu.Unlock()
		}
	}
	pages := 60
	if wstest.Long() {
		pages = 600
	}
	for range pages {
		room := []string{"much", "little", "least", "none"}[r.IntN(4)]
		want := slices.Sorted(slices.Values(published[room]))
		limit, before := 1+r.IntN(200), 1+r.Uint64N(5000)
		behind := r.Uint64N(before)
		if r.IntN(2) == 0 {
			behind = 0
		}
		from, _ := slices.BinarySearch(want, behind+1)
		to, _ := slices.BinarySearch(want, before)
		from = max(from, to-limit)
		h := history(t, e, room, engine.Span{Newest: true, Limit: limit, Before: before, Behind: behind})
		var got []uint64
		for i := len(h.Publications) - 1; i >= 0; i-- {
			got = append(got, h.Publications[i].Offset)
		}
		if !slices.Equal(got, want[from:to]) {
			t.Fatalf("room %s, at most %d before %d, behind %d:\n got %v\nwant %v", room, limit, before, behind, got, want[from:to])
		}
	}
}
