package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// stateOracle is the State in the plainest way: a map.
type stateOracle struct {
	*cluster
	table   string
	entries map[engine.Key]stateValue
	watched []*watched // by node
}

// watched is the knowledge of the watcher of a node.
type watched struct {
	mu     sync.Mutex
	values map[engine.Key]string
}

func (w *watched) change(_, e engine.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.values[e.Key] = string(e.Value); e.Value == nil {
		delete(w.values, e.Key)
	}
}

type stateValue struct {
	text    string
	expires time.Time
}

var (
	someOf    = []string{"", "a", "b"}
	someNames = []string{"", "x", "y", "z"}
	someKey   = rapid.Custom(func(t *rapid.T) engine.Key {
		return engine.Key{Of: rapid.SampledFrom(someOf).Draw(t, "of"), Name: rapid.SampledFrom(someNames).Draw(t, "name")}
	})
)

// testStateOracle compares the State with a map: a table whose entries are urgent, and another one.
func testStateOracle(t *testing.T, with Implementation) {
	if with.Slow {
		Checks(t, slowChecks)
	}
	rapid.Check(t, func(t *rapid.T) {
		o := &stateOracle{cluster: with.start(t, Limits{}), table: rapid.SampledFrom([]string{"t", engine.TableBan}).Draw(t, "table"), entries: map[engine.Key]stateValue{}}
		for _, m := range o.nodes {
			w := &watched{values: map[engine.Key]string{}}
			m.Watch(o.table, w.change)
			o.watched = append(o.watched, w)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			o.step(t)
			if with.CheckTable != nil {
				with.CheckTable(t, o.node(0), o.table, len(o.entries))
			}
		}
	})
}

// step makes a change on a node, and checks all nodes: this one at once, the others after a while.
func (o *stateOracle) step(t *rapid.T) {
	k, node := someKey.Draw(t, "key"), o.someNode(t)
	k.Table = o.table
	m := o.node(node)
	switch rapid.IntRange(0, 3).Draw(t, "step") {
	case 0:
		v := stateValue{text: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value")}
		if rapid.Bool().Draw(t, "expires") {
			v.expires = o.clock.Now().Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "in")) * time.Second)
		}
		if _, err := put(t, m, engine.Entry{Key: k, Value: []byte(v.text), Version: engine.AnyVersion, Expires: v.expires}); err != nil {
			t.Fatal(err)
		}
		o.entries[k] = v
	case 1:
		if err := remove(t, m, k, engine.AnyVersion); err != nil {
			t.Fatal(err)
		}
		delete(o.entries, k)
	case 2:
		o.clock.Advance(time.Second)
	case 3:
		o.expire()
	}
	for k, v := range o.entries {
		if !v.expires.IsZero() && !v.expires.After(o.clock.Now()) {
			delete(o.entries, k)
		}
	}
	check := o.drawCheck(t)
	if err := check(t, node); err != nil {
		t.Fatal(err)
	}
	for other := range o.nodes {
		eventually(t, func() error { return check(t, other) })
	}
}

// drawCheck draws a list and a count for each Of, and returns a function that compares them and all
// entries with those of a node. Reading also removes expired entries, so that the count is exact.
func (o *stateOracle) drawCheck(t *rapid.T) func(t *rapid.T, node int) error {
	type query struct {
		after, before string
		limit         int
	}
	all := map[string]query{}
	for _, of := range someOf {
		all[of] = query{someKey.Draw(t, "after").Name, someKey.Draw(t, "before").Name, rapid.IntRange(0, 4).Draw(t, "limit")}
	}
	return func(t *rapid.T, node int) error {
		for of, q := range all {
			if err := o.checkOf(t, o.node(node), of, q.after, q.before, q.limit); err != nil {
				return err
			}
		}
		return o.checkWatched(o.watched[node])
	}
}

func (o *stateOracle) checkOf(t *rapid.T, m engine.Engine, of, after, before string, limit int) error {
	for _, name := range someNames {
		k := engine.Key{Table: o.table, Of: of, Name: name}
		if got, want := get(t, m, k), o.entries[k]; string(got.Value) != want.text || !got.Expires.Equal(want.expires) {
			return fmt.Errorf("%v is %q until %v, want %q until %v", k, got.Value, got.Expires, want.text, want.expires)
		}
	}
	want := slices.DeleteFunc(slices.Clone(someNames), func(name string) bool {
		_, there := o.entries[engine.Key{Table: o.table, Of: of, Name: name}]
		return !there || name <= after
	})
	all := strings.Join(want[:min(limit, len(want))], " ")
	if got := names(t, m, o.table, of, after, limit); got != all {
		return fmt.Errorf("%d of %q after %q: %q, want %q", limit, of, after, got, all)
	}
	between := 0
	for _, name := range want {
		if name < before || before == "" {
			between++
		}
	}
	if n := count(t, m, o.table, of, after, before); n != between {
		return fmt.Errorf("%d of %q between %q and %q, want %d", n, of, after, before, between)
	}
	return nil
}

func (o *stateOracle) checkWatched(w *watched) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.values) != len(o.entries) {
		return fmt.Errorf("the watcher knows %v, there is %v", w.values, o.entries)
	}
	for k, v := range o.entries {
		if w.values[k] != v.text {
			return fmt.Errorf("the watcher knows %v as %q, want %q", k, w.values[k], v.text)
		}
	}
	return nil
}
