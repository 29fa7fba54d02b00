package entries

import (
	"slices"
	"time"

	"webim/room/engine"
)

// Entries are the entries of a State. They are not safe for concurrent use.
//
// A change is made in two steps: CheckVersion and CheckSpace say whether it may be made, and Apply or
// Remove makes it. The memory engine does both under one lock. An engine over a network lets the store
// decide, and applies each change when the store has made it.
//
// Two maps, by table and by Key.Of, lead to groups of records.
type Entries struct {
	limit    int64
	bytes    int64
	apart    []string // tables with entries that do not count
	beside   int64    // bytes of these
	round    uint32   // number of calls of Reload
	tables   map[string]map[string]*group
	watchers map[string][]*func(was, is engine.Entry)
	expiries expiries
}

// record is an entry in memory.
type record struct {
	engine.Entry
	index int32  // in Entries.expiries, or -1
	round uint32 // Entries.round when Apply was called for it
}

func (r *record) expiredAt(now time.Time) bool { return !r.Expires.IsZero() && !r.Expires.After(now) }

// group contains the records of a table that have the same Of. The names are sorted, because lists
// are read with each message. So a write moves 16 bytes for each name after it, which takes 10 µs
// in a room with ten thousand members.
type group struct {
	byName map[string]*record
	names  []string
}

// New returns Entries with a limit: the maximum sum of Entry.Cost; a negative limit means that there
// is no maximum. Entries of the tables in apart do not count and always have space: the engine writes them
// itself, because something was removed.
func New(limit int64, apart ...string) *Entries {
	return &Entries{limit: limit, apart: apart, tables: map[string]map[string]*group{}, watchers: map[string][]*func(was, is engine.Entry){}}
}

// Limit returns the limit.
func (s *Entries) Limit() int64 { return s.limit }

// Size returns the cost of all entries that count, with those that have expired and were not removed yet.
func (s *Entries) Size() int64 { return s.bytes }

// Beside returns the cost of the entries that do not count.
func (s *Entries) Beside() int64 { return s.beside }

// charge counts the cost of a record; by is 1 or -1.
func (s *Entries) charge(r *record, by int64) {
	if slices.Contains(s.apart, r.Table) {
		s.beside += by * r.Cost()
	} else {
		s.bytes += by * r.Cost()
	}
}

// find returns a record, or nil if there is none or it has expired.
func (s *Entries) find(k engine.Key, now time.Time) *record {
	r := s.held(k)
	if r != nil && r.expiredAt(now) {
		s.remove(r)
		return nil
	}
	return r
}

// held returns a record, which may have expired, or nil.
func (s *Entries) held(k engine.Key) *record {
	if g := s.tables[k.Table][k.Of]; g != nil {
		return g.byName[k.Name]
	}
	return nil
}

// Get returns an entry. If there is none, or it has expired, its Version is 0.
func (s *Entries) Get(k engine.Key, now time.Time) engine.Entry {
	if r := s.find(k, now); r != nil {
		return r.Entry
	}
	return engine.Entry{Key: k}
}

// List returns at most limit entries of a table that have the same Of and have not expired, in the
// order of their names, with names after the given one; "" is before all names.
func (s *Entries) List(table, of, after string, limit int, now time.Time) []engine.Entry {
	g := s.tables[table][of]
	if g == nil {
		return nil
	}
	i, found := slices.BinarySearch(g.names, after)
	if found {
		i++
	}
	all := make([]engine.Entry, 0, max(0, min(limit, len(g.names)-i)))
	for i < len(g.names) && len(all) < limit {
		r := g.byName[g.names[i]]
		if r.expiredAt(now) {
			s.remove(r) // the next name moves to index i
			continue
		}
		all = append(all, r.Entry)
		i++
	}
	return all
}

// Last returns the last entry that List would return with names before the given one; "" means no limit.
// If there is none, its Version is 0.
func (s *Entries) Last(table, of, before string, now time.Time) engine.Entry {
	for g := s.tables[table][of]; g != nil && len(g.names) > 0; {
		i := len(g.names)
		if before != "" {
			i, _ = slices.BinarySearch(g.names, before)
		}
		if i == 0 {
			break
		}
		r := g.byName[g.names[i-1]]
		if !r.expiredAt(now) {
			return r.Entry
		}
		s.remove(r)
	}
	return engine.Entry{}
}

// Count counts the entries that List would return with names after one name and before another; ""
// as before means no upper limit. Entries that have expired and were not removed yet count.
func (s *Entries) Count(table, of, after, before string) int {
	g := s.tables[table][of]
	if g == nil {
		return 0
	}
	first, found := slices.BinarySearch(g.names, after)
	if found {
		first++
	}
	end := len(g.names)
	if before != "" {
		end, _ = slices.BinarySearch(g.names, before)
	}
	return max(0, end-first)
}

// CheckVersion returns engine.ErrVersion if an entry does not have this version. Version 0 means that
// there must be no entry; engine.AnyVersion stands for every version, and for no entry.
func (s *Entries) CheckVersion(k engine.Key, version uint64, now time.Time) error {
	is := uint64(0)
	if r := s.find(k, now); r != nil {
		is = r.Version
	}
	if version != engine.AnyVersion && version != is {
		return engine.ErrVersion
	}
	return nil
}

// CheckSpace returns engine.ErrStateFull if the entries would exceed their limit with e: the reserve
// is only for entries with a Key.IsReserved. An entry that does not grow always has space.
func (s *Entries) CheckSpace(e engine.Entry, now time.Time) error {
	grown := e.Cost()
	if old := s.find(e.Key, now); old != nil {
		grown -= old.Cost()
	}
	limit := s.limit
	if !e.IsReserved() {
		limit -= limit / engine.Reserve
	}
	if grown > 0 && s.limit >= 0 && s.bytes+grown > limit && !slices.Contains(s.apart, e.Table) {
		return engine.ErrStateFull
	}
	return nil
}

// Apply sets an entry, with the Version of this change, and calls the watchers. It reports
// whether it did: if the entry is there with this version or a later one, Apply changes nothing. So a
// change may come twice. Versions of removed entries are not remembered. e.Value must not be changed
// after that.
func (s *Entries) Apply(e engine.Entry) bool {
	was := engine.Entry{Key: e.Key}
	if old := s.held(e.Key); old != nil {
		if old.Version >= e.Version {
			old.round = s.round
			return false
		}
		was = old.Entry
		s.unlink(old)
	}
	s.add(&record{Entry: e, index: -1, round: s.round})
	s.notify(was, e)
	return true
}

// Remove removes an entry, unless it has a later version than this, which is the version of the
// removal. Then it calls the watchers. It reports whether it has removed an entry.
func (s *Entries) Remove(k engine.Key, version uint64) bool {
	r := s.held(k)
	if r == nil || r.Version > version {
		return false
	}
	s.remove(r)
	return true
}

// Keep makes Reloaded keep an entry that Apply has set, as another call of Apply with the same version would.
func (s *Entries) Keep(k engine.Key) {
	if r := s.held(k); r != nil {
		r.round = s.round
	}
}

// Reload begins to read all entries again from a store. The caller calls Apply for each entry that the
// store has, and then Reloaded.
func (s *Entries) Reload() { s.round++ }

// Reloaded removes the entries for which Apply was not called since Reload, and calls the watchers.
func (s *Entries) Reloaded() {
	for _, table := range s.tables {
		for _, g := range table {
			for _, r := range g.byName {
				if r.round != s.round {
					s.remove(r)
				}
			}
		}
	}
}

func (s *Entries) add(r *record) {
	table := s.tables[r.Table]
	if table == nil {
		table = map[string]*group{}
		s.tables[r.Table] = table
	}
	g := table[r.Of]
	if g == nil {
		g = &group{byName: map[string]*record{}}
		table[r.Of] = g
	}
	i, _ := slices.BinarySearch(g.names, r.Name)
	g.byName[r.Name], g.names = r, slices.Insert(g.names, i, r.Name)
	s.charge(r, 1)
	s.expiries.add(r)
}

// unlink removes a record, and its group if that is empty then. Watchers are not called.
func (s *Entries) unlink(r *record) {
	g := s.tables[r.Table][r.Of]
	delete(g.byName, r.Name)
	i, _ := slices.BinarySearch(g.names, r.Name)
	if g.names = slices.Delete(g.names, i, i+1); len(g.names) == 0 {
		delete(s.tables[r.Table], r.Of)
	}
	s.charge(r, -1)
	s.expiries.remove(r)
}

// remove removes a record and calls the watchers.
func (s *Entries) remove(r *record) {
	s.unlink(r)
	s.notify(r.Entry, engine.Entry{Key: r.Key})
}
