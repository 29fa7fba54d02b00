package entries

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// oracle is the plainest form of Entries: a map. It removes expired entries at once.
type oracle map[engine.Key]engine.Entry

func (o oracle) expire(now time.Time) {
	maps.DeleteFunc(o, func(_ engine.Key, e engine.Entry) bool { return !e.Expires.IsZero() && !e.Expires.After(now) })
}

func (o oracle) list(table, of, after string, limit int) (all []engine.Entry) {
	for k, e := range o {
		if k.Table == table && k.Of == of && k.Name > after {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b engine.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return all[:min(limit, len(all))]
}

func same(a, b engine.Entry) bool {
	return a.Key == b.Key && string(a.Value) == string(b.Value) && a.Version == b.Version && a.Expires.Equal(b.Expires) && a.Owner == b.Owner
}

// TestEntriesOracle applies changes at random, some of them twice and some too late. The entries must
// answer as the oracle does, and a watcher must be able to follow them.
func TestEntriesOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want, seen := New(1<<20), oracle{}, oracle{}
		now, newest := time.Unix(1000, 0), uint64(0)
		s.Watch("t", func(was, is engine.Entry) {
			if !same(was, seen[is.Key]) && (was.Value != nil || seen[is.Key].Value != nil) {
				t.Fatalf("before the change: %+v, but the watcher knows %+v", was, seen[is.Key])
			}
			if seen[is.Key] = is; is.Value == nil {
				delete(seen, is.Key)
			}
		})
		key := rapid.Custom(func(t *rapid.T) engine.Key {
			return engine.Key{Table: rapid.SampledFrom([]string{"t", "u"}).Draw(t, "table"), Of: rapid.SampledFrom([]string{"", "a"}).Draw(t, "of"),
				Name: rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "name")}
		})
		version := func(t *rapid.T) uint64 {
			newest++
			return newest - rapid.SampledFrom([]uint64{0, 0, 0, 1, 3}).Draw(t, "late by")
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				e := engine.Entry{Key: key.Draw(t, "key"), Value: []byte(rapid.StringN(1, 3, -1).Draw(t, "value")), Version: version(t)}
				if e.Version == 0 {
					return
				}
				if rapid.Bool().Draw(t, "expires") {
					e.Expires = now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "in")) * time.Second)
				}
				s.Get(e.Key, now) // forgets an expired entry and its version
				applies := e.Version > want[e.Key].Version
				if applies {
					want[e.Key] = e
				}
				if s.Apply(e) != applies {
					t.Fatalf("applied %+v: want %v", e, applies)
				}
			},
			"remove": func(t *rapid.T) {
				k, version := key.Draw(t, "key"), version(t)
				s.Get(k, now)
				old, there := want[k]
				removes := there && old.Version <= version
				if removes {
					delete(want, k)
				}
				if s.Remove(k, version) != removes {
					t.Fatalf("removed %v by %d: want %v", k, version, removes)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Second)
				want.expire(now)
			},
			"expire": func(t *rapid.T) { s.Expire(now) },
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				e := want[k]
				e.Key = k
				if got := s.Get(k, now); !same(got, e) {
					t.Fatalf("got %+v, want %+v", got, e)
				}
				for _, v := range []uint64{0, 1, e.Version, e.Version + 1, engine.AnyVersion} {
					if err := s.CheckVersion(k, v, now); (err == nil) != (v == e.Version || v == engine.AnyVersion) || err != nil && err != engine.ErrVersion {
						t.Fatalf("version %d of %+v: %v", v, e, err)
					}
				}
			},
			"list": func(t *rapid.T) {
				k, limit := key.Draw(t, "after"), rapid.IntRange(-1, 5).Draw(t, "limit")
				if got, all := s.List(k.Table, k.Of, k.Name, limit, now), want.list(k.Table, k.Of, k.Name, max(0, limit)); !slices.EqualFunc(got, all, same) {
					t.Fatalf("%d after %v: %+v, want %+v", limit, k, got, all)
				}
			},
			"count": func(t *rapid.T) {
				s.Expire(now)
				k, before, n := key.Draw(t, "after"), key.Draw(t, "before").Name, 0
				for _, e := range want.list(k.Table, k.Of, k.Name, 100) {
					if before == "" || e.Name < before {
						n++
					}
				}
				if got := s.Count(k.Table, k.Of, k.Name, before); got != n {
					t.Fatalf("%d between %v and %q, want %d", got, k, before, n)
				}
			},
			"": func(t *rapid.T) { checkEntries(t, s, want, seen, now) },
		})
	})
}

// checkEntries checks the data of the entries, once the expired ones are removed.
func checkEntries(t rapid.TB, s *Entries, want, seen oracle, now time.Time) {
	t.Helper()
	s.Expire(now)
	n, size, expiring := 0, int64(0), 0
	for name, table := range s.tables {
		for of, g := range table {
			if len(g.names) == 0 || len(g.names) != len(g.byName) || !slices.IsSorted(g.names) {
				t.Fatalf("the group %s of %q has the names %q of %d records", of, name, g.names, len(g.byName))
			}
			n += len(g.names)
		}
	}
	watched := 0
	for k, e := range want {
		if size += e.Cost(); !e.Expires.IsZero() {
			expiring++
		}
		if k.Table != "t" {
			continue
		}
		if watched++; !same(seen[k], e) {
			t.Fatalf("the watcher knows %+v, want %+v", seen[k], e)
		}
	}
	if n != len(want) || s.Size() != size || len(s.expiries) != expiring || len(seen) != watched {
		t.Fatalf("%d entries of %d bytes, %d of them expire, %d are watched; want %d, %d, %d and %d", n, s.Size(), len(s.expiries), len(seen), len(want), size, expiring, watched)
	}
}

// TestSpace checks the limit with its reserve, and that an entry that does not grow has space.
func TestSpace(t *testing.T) {
	now := time.Unix(1000, 0)
	mark := func(n int) engine.Entry {
		return engine.Entry{Key: engine.Key{Table: engine.TableMark, Name: "n"}, Value: make([]byte, n)}
	}
	ban := func(n int) engine.Entry {
		return engine.Entry{Key: engine.Key{Table: engine.TableBan, Of: "r"}, Value: make([]byte, n)}
	}
	least := ban(0)
	empty := int(least.Cost())
	for name, c := range map[string]struct {
		limit int64
		e     engine.Entry
		want  error
	}{
		"all but the reserve":     {8000, mark(7000 - empty), nil},
		"a part of the reserve":   {8000, mark(7000 - empty + 1), engine.ErrStateFull},
		"a ban takes the reserve": {8000, ban(8000 - empty), nil},
		"a ban above the limit":   {8000, ban(8000 - empty + 1), engine.ErrStateFull},
		"no limit":                {-1, mark(1 << 20), nil},
	} {
		if err := New(c.limit).CheckSpace(c.e, now); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	s := New(8000)
	full := mark(7000 - empty)
	full.Version = 1
	s.Apply(full)
	more := ban(0) // now there are more than 7000 bytes
	more.Version = 2
	s.Apply(more)
	if err := s.CheckSpace(full, now); err != nil {
		t.Errorf("the same entry again: %v", err)
	}
	apart := New(8000, engine.TableErased)
	for i := range 100 {
		e := engine.Tombstone(fmt.Sprint(i), now)
		if err := apart.CheckSpace(e, now); err != nil {
			t.Errorf("an entry that does not count: %v", err)
		}
		e.Version = uint64(i + 1)
		apart.Apply(e)
	}
	if err := apart.CheckSpace(full, now); err != nil || apart.Size() != 0 || apart.Beside() < int64(100*empty) {
		t.Errorf("beside entries that do not count: %v, %d and %d bytes", err, apart.Size(), apart.Beside())
	}
	if err := s.CheckSpace(mark(7000-empty+1), now); err != engine.ErrStateFull {
		t.Errorf("a larger one: %v", err)
	}
}

// TestWatchEnds checks that a watcher gets the entries that are there and then changes, until it ends.
func TestWatchEnds(t *testing.T) {
	s, told := New(-1), ""
	put := func(name string, version uint64) {
		s.Apply(engine.Entry{Key: engine.Key{Table: "t", Name: name}, Value: []byte("v"), Version: version})
	}
	put("a", 1)
	watch := func(as string) (stop func()) {
		return s.Watch("t", func(was, is engine.Entry) { told += fmt.Sprint(as, is.Name, was.Version, is.Version, " ") })
	}
	stop := watch("1")
	other := watch("2")
	put("a", 5)
	stop()
	s.Remove(engine.Key{Table: "t", Name: "a"}, 6)
	other()
	put("b", 7)
	if want := "1a0 1 2a0 1 1a1 5 2a1 5 2a5 0 "; told != want {
		t.Errorf("told %q, want %q", told, want)
	}
}

// TestReload reads the entries again: what is not there any more is removed, and watchers hear only of
// what is different.
func TestReload(t *testing.T) {
	s := New(-1)
	put := func(name string, version uint64) {
		s.Apply(engine.Entry{Key: engine.Key{Table: "t", Of: "o", Name: name}, Value: []byte(name), Version: version})
	}
	put("gone", 1)
	put("same", 2)
	put("changed", 3)
	var told []string
	s.Watch("t", func(was, is engine.Entry) {
		if was.Version != 0 || is.Version > 3 {
			told = append(told, fmt.Sprint(is.Name, was.Version, is.Version))
		}
	})
	s.Reload()
	put("same", 2)
	put("changed", 4)
	put("new", 5)
	s.Reloaded()
	if got, want := fmt.Sprint(told), "[changed3 4 new0 5 gone1 0]"; got != want {
		t.Errorf("the watcher was told %s, want %s", got, want)
	}
	if n := s.Count("t", "o", "", ""); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
	s.Reload()
	s.Reloaded()
	if s.Size() != 0 || s.Count("t", "o", "", "") != 0 {
		t.Errorf("%d bytes are left of an empty store", s.Size())
	}
}

func TestLast(t *testing.T) {
	s, now := New(-1), time.Unix(100, 0)
	for i, name := range []string{"a", "c", "e"} {
		s.Apply(engine.Entry{Key: engine.Key{Table: "t", Of: "o", Name: name}, Value: []byte(name), Version: uint64(i + 1)})
	}
	s.Apply(engine.Entry{Key: engine.Key{Table: "t", Of: "o", Name: "f"}, Value: []byte("f"), Version: 9, Expires: now})
	for _, c := range []struct{ of, before, want string }{{"o", "", "e"}, {"o", "e", "c"}, {"o", "d", "c"}, {"o", "z", "e"}, {"o", "a", ""}, {"x", "", ""}} {
		if got := s.Last("t", c.of, c.before, now); got.Name != c.want || (got.Version != 0) != (c.want != "") {
			t.Errorf("the last of %q before %q is %+v, want %q", c.of, c.before, got, c.want)
		}
	}
}
