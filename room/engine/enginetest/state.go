package enginetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"webim/room/engine"
)

func testStateVersions(t *testing.T, with Implementation) {
	m := with.start(t, Limits{}).node(0)
	k := engine.Key{Table: "mark", Of: "lobby", Name: "alice"}
	if e := get(t, m, k); e.Version != 0 {
		t.Fatalf("an entry that nobody wrote: %+v", e)
	}
	first, err := put(t, m, engine.Entry{Key: k, Value: []byte("1")})
	if err != nil || first == 0 {
		t.Fatal(first, err)
	}
	if _, err := put(t, m, engine.Entry{Key: k, Value: []byte("2")}); err != engine.ErrVersion {
		t.Errorf("making an entry that is there: %v", err)
	}
	second, err := put(t, m, engine.Entry{Key: k, Value: []byte("2"), Version: first})
	if err != nil || second == first {
		t.Fatal(second, err)
	}
	if _, err := put(t, m, engine.Entry{Key: k, Value: []byte("3"), Version: first}); err != engine.ErrVersion {
		t.Errorf("writing with an old version: %v", err)
	}
	if e := get(t, m, k); string(e.Value) != "2" || e.Version != second {
		t.Errorf("after a refused write: %+v", e)
	}
	if err := remove(t, m, k, first); err != engine.ErrVersion {
		t.Errorf("deleting an old version: %v", err)
	}
	if err := remove(t, m, k, engine.AnyVersion); err != nil {
		t.Error(err)
	}
	if err := remove(t, m, k, engine.AnyVersion); err != nil {
		t.Errorf("deleting a missing entry: %v", err)
	}
	third, err := put(t, m, engine.Entry{Key: k, Value: []byte("4")})
	if err != nil || third == first || third == second {
		t.Errorf("a version came back: %d after %d and %d, %v", third, first, second, err)
	}
}

// testStateConcurrentWriters has writers on all nodes add to one number: no addition is lost. All
// nodes see the sum in the end, and their watchers see the number only grow.
func testStateConcurrentWriters(t *testing.T, with Implementation) {
	const writers, each = 4, 25
	c := with.start(t, Limits{})
	k := engine.Key{Table: "mark", Of: "lobby", Name: "alice"}
	var seen [2]atomic.Int64
	for i := range seen {
		c.node(i).Watch("mark", func(_, e engine.Entry) {
			if is := int64(len(e.Value)); seen[i].Swap(is) >= is {
				t.Errorf("a watcher of node %d sees %d after a later value", i, is)
			}
		})
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			m := c.node(i)
			for range each {
				eventually(t, func() error {
					e := get(t, m, k)
					e.Key, e.Value = k, append(slices.Clone(e.Value), '1')
					version, err := put(t, m, e)
					if err == nil {
						if now := get(t, m, k); now.Version < version {
							t.Errorf("reading after writing version %d: %d", version, now.Version)
						}
					}
					return err
				})
			}
		})
	}
	wg.Wait()
	for i := range seen {
		eventually(t, func() error {
			if n := len(get(t, c.node(i), k).Value); n != writers*each || seen[i].Load() != writers*each {
				return fmt.Errorf("node %d has %d, and its watcher %d, want %d", i, n, seen[i].Load(), writers*each)
			}
			return nil
		})
	}
}

func testStateLists(t *testing.T, with Implementation) {
	m := with.start(t, Limits{}).node(0)
	for _, name := range []string{"bob", "alice", "dave", "carol"} {
		put(t, m, engine.Entry{Key: engine.Key{Table: "member", Of: "lobby", Name: name}, Value: []byte("{}")})
	}
	put(t, m, engine.Entry{Key: engine.Key{Table: "member", Of: "other", Name: "eve"}, Value: []byte("{}")})
	for _, c := range []struct {
		after string
		limit int
		want  string
	}{{"", 10, "alice bob carol dave"}, {"", 2, "alice bob"}, {"bob", 10, "carol dave"}, {"bz", 1, "carol"}, {"dave", 5, ""}} {
		if got := names(t, m, "member", "lobby", c.after, c.limit); got != c.want {
			t.Errorf("after %q, %d: %q, want %q", c.after, c.limit, got, c.want)
		}
	}
}

// testStateExpiry checks that entries end at their time and not before, and what watchers see of it.
func testStateExpiry(t *testing.T, with Implementation) {
	c := with.start(t, Limits{})
	const age = time.Minute
	m := c.node(0)
	here, there := new(told), new(told)
	stop := m.Watch("mute", func(_, e engine.Entry) { here.add(e.Name + "=" + string(e.Value)) })
	c.node(1).Watch("mute", func(_, e engine.Entry) { there.add(e.Name + "=" + string(e.Value)) })
	k := engine.Key{Table: "mute", Of: "lobby", Name: "bob"}
	put(t, m, engine.Entry{Key: k, Value: []byte("x"), Expires: c.clock.Now().Add(age)})
	put(t, m, engine.Entry{Key: engine.Key{Table: "mute", Of: "lobby", Name: "eve"}, Value: []byte("y")})
	there.await(t, "bob=x eve=y")
	c.clock.Advance(age - 1)
	if e := get(t, m, k); e.Version == 0 {
		t.Error("an entry was gone before its expiry")
	}
	c.clock.Advance(1)
	if e := get(t, m, k); e.Version != 0 { // without a call of Expire
		t.Errorf("an entry outlived its expiry: %+v", e)
	}
	here.await(t, "bob=x eve=y bob=")
	put(t, m, engine.Entry{Key: k, Value: []byte("z"), Expires: c.clock.Now().Add(age)})
	c.pass(age)
	all := "bob=x eve=y bob= bob=z bob="
	here.await(t, all)
	there.await(t, all)
	stop()
	put(t, m, engine.Entry{Key: k, Value: []byte("unseen")})
	there.await(t, all+" bob=unseen")
	if got := here.String(); got != all {
		t.Errorf("after it has ended, the watcher got %q", got)
	}
	for i := range 2 {
		names := new(told)
		c.node(i).Watch("mute", func(_, e engine.Entry) { names.add(e.Name) })
		if got := names.String(); got != "bob eve" && got != "eve bob" {
			t.Errorf("a new watcher of node %d got %q, not the two entries", i, got)
		}
	}
}

// testStateLimit fills the State. A refused write must cost nothing, and a deletion must make space.
func testStateLimit(t *testing.T, with Implementation) {
	m := with.start(t, Limits{MaxState: 10_000}).node(0)
	if m.MaxState() != 10_000 {
		t.Errorf("MaxState is %d", m.MaxState())
	}
	key := func(i int) engine.Key { return engine.Key{Table: "mine", Of: "alice", Name: fmt.Sprint(i)} }
	n, size := 0, int64(0)
	for ; ; n++ {
		e := engine.Entry{Key: key(n), Value: make([]byte, 100)}
		if _, err := put(t, m, e); err == engine.ErrStateFull {
			break
		} else if err != nil || n > 100 {
			t.Fatal(n, err)
		}
		size += e.Cost()
	}
	if size == 0 || size > 10_000 {
		t.Errorf("%d bytes are kept", size)
	}
	if err := remove(t, m, key(0), engine.AnyVersion); err != nil {
		t.Error(err)
	}
	if _, err := put(t, m, engine.Entry{Key: key(0), Value: make([]byte, 100)}); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
	for i := range n {
		if err := remove(t, m, key(i), engine.AnyVersion); err != nil {
			t.Error(err)
		}
	}
	if with.CheckTable != nil {
		with.CheckTable(t, m, "mine", 0)
	}
}

// testStateReserve checks that a client that fills the State is not safe from moderators, and that
// bans in rooms that users make have no part in the reserve.
func testStateReserve(t *testing.T, with Implementation) {
	m := with.start(t, Limits{MaxState: 20_000}).node(0)
	size := int64(0)
	write := func(k engine.Key) error {
		e := engine.Entry{Key: k, Value: []byte("{}")}
		_, err := put(t, m, e)
		if err == nil {
			size += e.Cost()
		}
		return err
	}
	fill := func(table, of string) (n int) {
		for ; ; n++ {
			if err := write(engine.Key{Table: table, Of: of, Name: fmt.Sprint(n)}); err == engine.ErrStateFull {
				return n
			} else if err != nil || n > 100 {
				t.Fatal(n, err)
			}
		}
	}
	if n := fill(engine.TableBan, "$of my own"); n == 0 {
		t.Fatal("nothing fits")
	}
	for _, k := range []engine.Key{{Table: engine.TableMark, Of: "ann", Name: "r"}, {Table: engine.TableMute, Of: "$of my own", Name: "bob"}, {Table: engine.TableRoom, Of: "r", Name: ""}} {
		if err := write(k); err != engine.ErrStateFull {
			t.Errorf("%v: %v", k, err)
		}
	}
	for _, k := range []engine.Key{{Table: engine.TableBan, Of: "", Name: "bob"}, {Table: engine.TableMute, Of: "lobby", Name: "bob"}, {Table: engine.TableBanIP, Of: "", Name: "192.0.2.0/24"}} {
		if err := write(k); err != nil {
			t.Errorf("%v: %v", k, err)
		}
	}
	if n := fill(engine.TableBan, ""); n == 0 || size > 20_000 {
		t.Errorf("%d more bans, %d bytes in all", n, size)
	}
}
