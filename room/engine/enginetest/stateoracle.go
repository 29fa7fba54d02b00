package enginetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// stateOracle is the State in the plainest way: a map.
type stateOracle struct {
	m       engine.Engine
	clock   *Clock
	entries map[engine.Key]stateValue
	watched map[engine.Key]string // as a watcher knows them
}

type stateValue struct {
	text    string
	expires time.Time
}

var (
	someOf    = []string{"", "a", "b"}
	someNames = []string{"", "x", "y", "z"}
	someKey   = rapid.Custom(func(t *rapid.T) engine.Key {
		return engine.Key{Table: "t", Of: rapid.SampledFrom(someOf).Draw(t, "of"), Name: rapid.SampledFrom(someNames).Draw(t, "name")}
	})
)

// testStateOracle compares the State with a map.
func testStateOracle(t *testing.T, with Implementation) {
	rapid.Check(t, func(t *rapid.T) {
		o := &stateOracle{clock: new(Clock), entries: map[engine.Key]stateValue{}, watched: map[engine.Key]string{}}
		o.m = with.New(Limits{Clock: o.clock})
		o.m.Watch("t", func(_, e engine.Entry) {
			if o.watched[e.Key] = string(e.Value); e.Value == nil {
				delete(o.watched, e.Key)
			}
		})
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			o.step(t)
			o.check(t)
			if len(o.watched) != len(o.entries) {
				t.Fatalf("the watcher knows %v, there is %v", o.watched, o.entries)
			}
			if with.CheckTable != nil {
				with.CheckTable(t, o.m, "t", len(o.entries))
			}
		}
	})
}

func (o *stateOracle) step(t *rapid.T) {
	k := someKey.Draw(t, "key")
	switch rapid.IntRange(0, 3).Draw(t, "step") {
	case 0:
		v := stateValue{text: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value")}
		if rapid.Bool().Draw(t, "expires") {
			v.expires = o.clock.Now().Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "in")) * time.Second)
		}
		if _, err := put(t, o.m, engine.Entry{Key: k, Value: []byte(v.text), Version: engine.AnyVersion, Expires: v.expires}); err != nil {
			t.Fatal(err)
		}
		o.entries[k] = v
	case 1:
		if err := remove(t, o.m, k, engine.AnyVersion); err != nil {
			t.Fatal(err)
		}
		delete(o.entries, k)
	case 2:
		o.clock.Advance(time.Second)
	case 3:
		expire(o.m)
	}
	for k, v := range o.entries {
		if !v.expires.IsZero() && !v.expires.After(o.clock.Now()) {
			delete(o.entries, k)
		}
	}
}

// check reads all entries, a random list and a random count. Reading also removes expired entries,
// so that the count is exact.
func (o *stateOracle) check(t *rapid.T) {
	for _, of := range someOf {
		for _, name := range someNames {
			k := engine.Key{Table: "t", Of: of, Name: name}
			if got := string(get(t, o.m, k).Value); got != o.entries[k].text {
				t.Fatalf("%v is %q, want %q", k, got, o.entries[k].text)
			}
		}
		after, limit := someKey.Draw(t, "after").Name, rapid.IntRange(0, 4).Draw(t, "limit")
		want := slices.DeleteFunc(slices.Clone(someNames), func(name string) bool {
			_, there := o.entries[engine.Key{Table: "t", Of: of, Name: name}]
			return !there || name <= after
		})
		all := strings.Join(want[:min(limit, len(want))], " ")
		if got := names(t, o.m, "t", of, after, limit); got != all {
			t.Fatalf("%d of %q after %q: %q, want %q", limit, of, after, got, all)
		}
		before, between := someKey.Draw(t, "before").Name, 0
		for _, name := range want {
			if name < before || before == "" {
				between++
			}
		}
		if n := count(t, o.m, "t", of, after, before); n != between {
			t.Fatalf("%d of %q between %q and %q, want %d", n, of, after, before, between)
		}
	}
}
