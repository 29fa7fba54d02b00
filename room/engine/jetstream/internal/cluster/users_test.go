package cluster

import (
	"fmt"
	"math"
	"testing"
	"time"

	"webim/room/engine/jetstream/internal/frames"
)

// crowd returns so many users, from a number on.
func crowd(from, n int) *members {
	m := &members{}
	for i := range n {
		m.users = append(m.users, fmt.Sprint("user ", from+i))
	}
	return m
}

func TestUsersAreDistinct(t *testing.T) {
	for _, c := range []struct {
		n         int // on each of three nodes, half of them also on the next
		estimated bool
	}{{10, false}, {maxHashes, false}, {maxHashes + 2, true}, {50_000, true}} {
		var all []frames.Counted
		for i := range 3 {
			n := &node{}
			n.Cluster = New(nil, Config{Subscribers: n.subscribersOf(crowd(i*c.n/2, c.n))})
			one, err := frames.DecodeCounted(n.countFor("r"))
			if err != nil || one.Clients != c.n || one.Users != c.n || len(one.Named) > 8*maxHashes+1 {
				t.Fatalf("%d clients, %d users, %d bytes, %v", one.Clients, one.Users, len(one.Named), err)
			}
			all = append(all, one)
		}
		got, want := union(all), 2*c.n
		off := math.Abs(float64(got.users-want)) / float64(want)
		if got.err != nil || got.clients != 3*c.n || got.estimated != c.estimated || !c.estimated && off > 0 || off > 0.03 {
			t.Errorf("%+v, want %d users", got, want)
		}
	}
}

// TestUsersOfOneNode checks that an estimate is never below the users of one node, or above all of them.
func TestUsersOfOneNode(t *testing.T) {
	for n := 5000; n < 6000; n += 37 {
		var s userSet
		for _, u := range crowd(0, n).users {
			s.add(u)
		}
		all := []frames.Counted{{Clients: n, Users: n, Named: s.bytes()}, {Clients: 1, Users: 1, Named: s.bytes()}}
		if got := union(all); got.users < n || got.users > n+1 {
			t.Fatalf("%d of %d", got.users, n)
		}
	}
}

func TestWrongSets(t *testing.T) {
	var u userSet
	for _, b := range [][]byte{nil, {3}, {formHashes, 1}, {formSketch}, {formSketch, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		{formHashes, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1}, append([]byte{formHashes}, make([]byte, 8*maxHashes+8)...)} {
		if err := u.merge(b); err == nil {
			t.Errorf("%.20q is a set", b)
		}
	}
}

// FuzzMerge checks that no input makes merge panic.
func FuzzMerge(f *testing.F) {
	var few, many userSet
	for i, u := range crowd(0, 5000).users {
		if i < 3 {
			few.add(u)
		}
		many.add(u)
	}
	f.Add(few.bytes())
	f.Add(many.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var u userSet
		_ = u.merge(few.bytes())
		_ = u.merge(b)
		u.count()
	})
}

// TestLargeRoomsAreKept checks that the members of a large room are visited once while the result is kept, and
// that those of a small one are visited each time.
func TestLargeRoomsAreKept(t *testing.T) {
	s := startServer(t)
	a, b := start(t, s, Config{}), start(t, s, Config{})
	large, small := crowd(0, maxHashes+1), crowd(0, 3)
	a.has("large", large)
	a.has("small", small)
	for _, room := range []string{"large", "small"} {
		b.has(room, crowd(0, 1))
		for range 10 {
			if got := b.count(t, room); got.err != nil || got.users < 3 {
				t.Fatalf("%+v", got)
			}
		}
	}
	if small.counts.Load() != 10 || large.counts.Load() >= 10 {
		t.Errorf("the small room was visited %d times, the large one %d times", small.counts.Load(), large.counts.Load())
	}
	visits := large.counts.Load()
	a.sketches.put("large", []byte{formSketch})
	if one, err := frames.DecodeCounted(a.countFor("large")); err != nil || one.Clients != maxHashes+1 || len(one.Named) != 1 || large.counts.Load() != visits {
		t.Errorf("the kept users are not used: %d clients, %d bytes, %v", one.Clients, len(one.Named), err)
	}
	a.sketches = recent[[]byte]{}
	for range 3 {
		a.countFor("large")
	}
	if n := large.counts.Load() - visits; n != 1 {
		t.Errorf("a large room was visited %d times for three answers", n)
	}
	var r recent[int]
	for i := range 2 * maxRecent {
		r.put(fmt.Sprint(i), i)
	}
	if len(r.all) > maxRecent {
		t.Errorf("%d results are kept", len(r.all))
	}
	last := fmt.Sprint(2*maxRecent - 1)
	if v, ok := r.get(last); !ok || v != 2*maxRecent-1 {
		t.Error("the last result is not kept")
	}
	r.all[last] = kept[int]{1, time.Now().Add(-time.Nanosecond)}
	if _, ok := r.get(last); ok {
		t.Error("an old result is used")
	}
}
