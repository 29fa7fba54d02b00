package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// once returns a function that must be called once before check is called.
func once(t rapid.TB, method string) (called func(), check func()) {
	calls := 0
	return func() { calls++ }, func() {
		t.Helper()
		if calls != 1 {
			t.Fatalf("the done of %s was called %d times", method, calls)
		}
	}
}

// put writes an entry.
func put(t rapid.TB, s engine.State, e engine.Entry) (version uint64, err error) {
	t.Helper()
	called, check := once(t, "Put")
	s.Put(e, func(v uint64, failed error) { version, err = v, failed; called() })
	check()
	return version, err
}

// get reads an entry.
func get(t rapid.TB, s engine.State, k engine.Key) (e engine.Entry) {
	t.Helper()
	called, check := once(t, "Get")
	s.Get(k, func(got engine.Entry, err error) {
		if e = got; err != nil {
			t.Fatalf("reading %v: %v", k, err)
		}
		called()
	})
	check()
	return e
}

// remove deletes an entry.
func remove(t rapid.TB, s engine.State, k engine.Key, version uint64) (err error) {
	t.Helper()
	called, check := once(t, "Delete")
	s.Delete(k, version, func(failed error) { err = failed; called() })
	check()
	return err
}

// names lists names, with a space between them.
func names(t rapid.TB, s engine.State, table, of, after string, limit int) string {
	t.Helper()
	var all []string
	called, check := once(t, "List")
	s.List(table, of, after, limit, func(entries []engine.Entry, err error) {
		for _, e := range entries {
			all = append(all, e.Name)
		}
		if err != nil {
			t.Fatalf("listing: %v", err)
		}
		called()
	})
	check()
	return strings.Join(all, " ")
}

// count counts entries.
func count(t rapid.TB, s engine.State, table, of, after, before string) (n int) {
	t.Helper()
	called, check := once(t, "CountEntries")
	s.CountEntries(table, of, after, before, func(got int, err error) {
		if n = got; err != nil {
			t.Fatalf("counting: %v", err)
		}
		called()
	})
	check()
	return n
}

func testStateVersions(t *testing.T, with Implementation) {
	m := with.New(Limits{})
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

func testStateLists(t *testing.T, with Implementation) {
	m := with.New(Limits{})
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

func testStateExpiry(t *testing.T, with Implementation) {
	clock := new(Clock)
	m := with.New(Limits{Clock: clock})
	var told []string
	stop := m.Watch("mute", func(_, e engine.Entry) { told = append(told, e.Name+"="+string(e.Value)) })
	k := engine.Key{Table: "mute", Of: "lobby", Name: "bob"}
	put(t, m, engine.Entry{Key: k, Value: []byte("x"), Expires: clock.Now().Add(time.Minute)})
	put(t, m, engine.Entry{Key: engine.Key{Table: "mute", Of: "lobby", Name: "eve"}, Value: []byte("y")})
	clock.Advance(time.Minute)
	if e := get(t, m, k); e.Version != 0 {
		t.Errorf("an entry outlived its expiry: %+v", e)
	}
	put(t, m, engine.Entry{Key: k, Value: []byte("z"), Expires: clock.Now().Add(time.Second)})
	clock.Advance(time.Second)
	expire(m)
	stop()
	put(t, m, engine.Entry{Key: k, Value: []byte("unseen")})
	if got, want := strings.Join(told, " "), "bob=x eve=y bob= bob=z bob="; got != want {
		t.Errorf("the watcher got %q, want %q", got, want)
	}
	m.Watch("mute", func(_, e engine.Entry) { told = append(told, e.Name) })
	if len(told) != 7 {
		t.Errorf("a new watcher got %q, not the two entries", told[5:])
	}
}

// testStateLimit fills the State. A refused write must cost nothing, and a deletion must make space.
func testStateLimit(t *testing.T, with Implementation) {
	m := with.New(Limits{MaxState: 10_000})
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
	m := with.New(Limits{MaxState: 20_000})
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
