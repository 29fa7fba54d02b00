package memory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// put writes, and returns the new version.
func put(t testing.TB, s engine.State, e engine.Entry) (version uint64, err error) {
	t.Helper()
	called := 0
	s.Put(e, func(v uint64, e error) { version, err = v, e; called++ })
	if called != 1 {
		t.Fatalf("done was called %d times", called)
	}
	return version, err
}

func get(s engine.State, k engine.Key) (e engine.Entry) {
	s.Get(k, func(got engine.Entry, _ error) { e = got })
	return e
}

func namesOf(s engine.State, table, of, after string, limit int) (names string) {
	s.List(table, of, after, limit, func(all []engine.Entry, _ error) {
		for _, e := range all {
			names += e.Name + " "
		}
	})
	return strings.TrimSpace(names)
}

func TestStateVersions(t *testing.T) {
	m := New(Limits{})
	k := engine.Key{Table: "mark", Of: "lobby", Name: "alice"}
	if e := get(m, k); e.Version != 0 {
		t.Fatalf("an entry that nobody wrote: %+v", e)
	}
	first, err := put(t, m, engine.Entry{Key: k, Value: []byte("1")})
	if err != nil || first == 0 {
		t.Fatal(first, err)
	}
	if _, err := put(t, m, engine.Entry{Key: k, Value: []byte("2")}); err != engine.ErrVersion {
		t.Errorf("making what is there: %v", err)
	}
	second, err := put(t, m, engine.Entry{Key: k, Value: []byte("2"), Version: first})
	if err != nil || second == first {
		t.Fatal(second, err)
	}
	if _, err := put(t, m, engine.Entry{Key: k, Value: []byte("3"), Version: first}); err != engine.ErrVersion {
		t.Errorf("writing with an old version: %v", err)
	}
	if e := get(m, k); string(e.Value) != "2" || e.Version != second {
		t.Errorf("after a refused write: %+v", e)
	}
	m.Delete(k, first, func(err error) {
		if err != engine.ErrVersion {
			t.Errorf("deleting an old version: %v", err)
		}
	})
	m.Delete(k, engine.AnyVersion, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	third, err := put(t, m, engine.Entry{Key: k, Value: []byte("4")})
	if err != nil || third == first || third == second {
		t.Errorf("a version came back: %d after %d and %d, %v", third, first, second, err)
	}
}

func TestStateLists(t *testing.T) {
	m := New(Limits{})
	for _, name := range []string{"bob", "alice", "dave", "carol"} {
		put(t, m, engine.Entry{Key: engine.Key{Table: "member", Of: "lobby", Name: name}, Value: []byte("{}")})
	}
	put(t, m, engine.Entry{Key: engine.Key{Table: "member", Of: "other", Name: "eve"}, Value: []byte("{}")})
	for _, c := range []struct {
		after string
		limit int
		want  string
	}{{"", 10, "alice bob carol dave"}, {"", 2, "alice bob"}, {"bob", 10, "carol dave"}, {"bz", 1, "carol"}, {"dave", 5, ""}} {
		if got := namesOf(m, "member", "lobby", c.after, c.limit); got != c.want {
			t.Errorf("after %q, %d: %q, want %q", c.after, c.limit, got, c.want)
		}
	}
}

func TestStateEnds(t *testing.T) {
	now := time.Unix(1000, 0)
	m := New(Limits{Now: func() time.Time { return now }})
	var told []string
	stop := m.Watch("mute", func(_, e engine.Entry) { told = append(told, e.Name+"="+string(e.Value)) })
	k := engine.Key{Table: "mute", Of: "lobby", Name: "bob"}
	put(t, m, engine.Entry{Key: k, Value: []byte("x"), Expires: now.Add(time.Minute)})
	put(t, m, engine.Entry{Key: engine.Key{Table: "mute", Of: "lobby", Name: "eve"}, Value: []byte("y")})
	now = now.Add(time.Minute)
	if e := get(m, k); e.Version != 0 {
		t.Errorf("an entry outlived its end: %+v", e)
	}
	put(t, m, engine.Entry{Key: k, Value: []byte("z"), Expires: now.Add(time.Second)})
	now = now.Add(time.Second)
	m.Expire()
	stop()
	put(t, m, engine.Entry{Key: k, Value: []byte("unseen")})
	if got, want := strings.Join(told, " "), "bob=x eve=y bob= bob=z bob="; got != want {
		t.Errorf("the watcher was told %q, want %q", got, want)
	}
	m.Watch("mute", func(_, e engine.Entry) { told = append(told, e.Name) })
	if len(told) != 7 {
		t.Errorf("a new watcher was told %q, not the two entries", told[5:])
	}
}

// TestStateBounded fills the engine; what is refused must cost nothing, and what
// is removed must make room.
func TestStateBounded(t *testing.T) {
	m := New(Limits{MaxState: 10_000})
	n := 0
	for ; ; n++ {
		if _, err := put(t, m, engine.Entry{Key: engine.Key{Table: "mine", Of: "alice", Name: fmt.Sprint(n)}, Value: make([]byte, 100)}); err == engine.ErrStateFull {
			break
		} else if err != nil || n > 100 {
			t.Fatal(n, err)
		}
	}
	if size := m.Stats().State; size > 10_000 {
		t.Errorf("%d bytes are kept", size)
	}
	k := engine.Key{Table: "mine", Of: "alice", Name: "0"}
	m.Delete(k, engine.AnyVersion, func(error) {})
	if _, err := put(t, m, engine.Entry{Key: k, Value: make([]byte, 100)}); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
	for i := range n {
		m.Delete(engine.Key{Table: "mine", Of: "alice", Name: fmt.Sprint(i)}, engine.AnyVersion, func(error) {})
	}
	if size := m.Stats().State; size != 0 || len(m.tables["mine"]) != 0 {
		t.Errorf("an empty state has %d bytes and %d groups", size, len(m.tables["mine"]))
	}
}

// TestStateKeepsRoomForSanctions: whoever fills the state is not safe from
// moderators by that; what owners do in rooms of their own has no part in it.
func TestStateKeepsRoomForSanctions(t *testing.T) {
	m := New(Limits{MaxState: 20_000})
	fill := func(table, of string) (n int) {
		for ; ; n++ {
			if _, err := put(t, m, engine.Entry{Key: engine.Key{Table: table, Of: of, Name: fmt.Sprint(n)}, Value: []byte("{}")}); err == engine.ErrStateFull {
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
		if _, err := put(t, m, engine.Entry{Key: k, Value: []byte("{}")}); err != engine.ErrStateFull {
			t.Errorf("%v: %v", k, err)
		}
	}
	for _, k := range []engine.Key{{Table: engine.TableBan, Of: "", Name: "bob"}, {Table: engine.TableMute, Of: "lobby", Name: "bob"}, {Table: engine.TableBanIP, Of: "", Name: "192.0.2.0/24"}} {
		if _, err := put(t, m, engine.Entry{Key: k, Value: []byte("{}")}); err != nil {
			t.Errorf("%v: %v", k, err)
		}
	}
	if n := fill(engine.TableBan, ""); n == 0 || m.Stats().State > 20_000 {
		t.Errorf("%d more bans, %d bytes in all", n, m.Stats().State)
	}
}

// TestStateAgainstMap compares the state with a plain map.
func TestStateAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		m := New(Limits{Now: func() time.Time { return now }})
		type value struct {
			text string
			end  time.Time
		}
		oracle, watched := map[engine.Key]value{}, map[engine.Key]string{}
		m.Watch("t", func(_, e engine.Entry) {
			if watched[e.Key] = string(e.Value); e.Value == nil {
				delete(watched, e.Key)
			}
		})
		key := rapid.Custom(func(t *rapid.T) engine.Key {
			return engine.Key{Table: "t", Of: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "of"), Name: rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "name")}
		})
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			k := key.Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				v := value{text: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value")}
				if rapid.Bool().Draw(t, "ends") {
					v.end = now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "in")) * time.Second)
				}
				m.Put(engine.Entry{Key: k, Value: []byte(v.text), Version: engine.AnyVersion, Expires: v.end}, func(uint64, error) {})
				oracle[k] = v
			case 1:
				m.Delete(k, engine.AnyVersion, func(error) {})
				delete(oracle, k)
			case 2:
				now = now.Add(time.Second)
			case 3:
				m.Expire()
			}
			for k, v := range oracle {
				if !v.end.IsZero() && !v.end.After(now) {
					delete(oracle, k)
				}
			}
			for _, of := range []string{"", "a", "b"} {
				for _, name := range []string{"", "x", "y", "z"} {
					k := engine.Key{Table: "t", Of: of, Name: name}
					if got := string(get(m, k).Value); got != oracle[k].text {
						t.Fatalf("%v is %q, want %q", k, got, oracle[k].text)
					}
				}
				after, limit := key.Draw(t, "after").Name, rapid.IntRange(0, 4).Draw(t, "limit")
				var want []string
				for _, name := range []string{"", "x", "y", "z"} {
					if _, there := oracle[engine.Key{Table: "t", Of: of, Name: name}]; there && name > after && len(want) < limit {
						want = append(want, name)
					}
				}
				if got := namesOf(m, "t", of, after, limit); got != strings.Join(want, " ") {
					t.Fatalf("%d of %q after %q: %q, want %q", limit, of, after, got, want)
				}
				before, between := key.Draw(t, "before").Name, 0
				for _, name := range []string{"", "x", "y", "z"} {
					if _, there := oracle[engine.Key{Table: "t", Of: of, Name: name}]; there && name > after && (name < before || before == "") {
						between++
					}
				}
				m.CountEntries("t", of, after, before, func(n int, _ error) {
					if n != between { // what has ended was removed as it was read
						t.Fatalf("%d of %q between %q and %q, want %d", n, of, after, before, between)
					}
				})
			}
			entries := 0
			for _, g := range m.tables["t"] {
				if entries += len(g.names); len(g.names) != len(g.byName) || len(g.names) == 0 {
					t.Fatalf("a group has the names %q of %d entries", g.names, len(g.byName))
				}
			}
			if len(watched) != len(oracle) || entries != len(oracle) {
				t.Fatalf("the watcher knows %v, there is %v", watched, oracle)
			}
		}
	})
}
