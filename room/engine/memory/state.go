package memory

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"webim/room/engine"
)

// state implements engine.State. Two maps, by table and by Key.Of, lead to groups of records.
type state struct {
	limit int64
	now   func() time.Time

	mu       sync.Mutex // only the watchers' locks are locked under it
	version  uint64
	bytes    int64
	tables   map[string]map[string]*group
	watchers map[string][]*func(was, is engine.Entry)
	expiries expiries
}

// record is an entry in the state.
type record struct {
	engine.Entry
	index int // in state.expiries, or -1
}

func (f *record) expiredAt(now time.Time) bool { return !f.Expires.IsZero() && !f.Expires.After(now) }

// group contains the records of a table that have the same Of. The names are sorted, because lists
// are read with each message. So a write moves 16 bytes for each name after it, which takes 10 µs
// in a room with ten thousand members.
type group struct {
	byName map[string]*record
	names  []string
}

func (s *state) limitOf(k engine.Key) int64 {
	if k.IsReserved() {
		return s.limit
	}
	return s.limit - s.limit/engine.Reserve
}

func newState(limit int64, now func() time.Time) *state {
	return &state{limit: limit, now: now, tables: map[string]map[string]*group{}, watchers: map[string][]*func(was, is engine.Entry){}}
}

// MaxState implements engine.State.
func (s *state) MaxState() int64 { return s.limit }

// findLocked returns a record, or nil if there is none or it has expired.
func (s *state) findLocked(k engine.Key) *record {
	g := s.tables[k.Table][k.Of]
	if g == nil {
		return nil
	}
	f := g.byName[k.Name]
	if f != nil && f.expiredAt(s.now()) {
		s.removeLocked(f)
		return nil
	}
	return f
}

// Get implements engine.State.
func (s *state) Get(k engine.Key, done func(engine.Entry, error)) {
	s.mu.Lock()
	e := engine.Entry{Key: k}
	if f := s.findLocked(k); f != nil {
		e = f.Entry
	}
	s.mu.Unlock()
	done(e, nil)
}

// Put implements engine.State.
func (s *state) Put(e engine.Entry, done func(uint64, error)) {
	version, err := s.put(e)
	done(version, err)
}

func (s *state) put(e engine.Entry) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.findLocked(e.Key)
	if err := checkVersion(old, e.Version); err != nil {
		return 0, err
	}
	s.version++
	f := &record{Entry: e, index: -1}
	f.Version, f.Value = s.version, slices.Clone(e.Value)
	was, grown := engine.Entry{Key: e.Key}, f.Cost()
	if old != nil {
		was = old.Entry
		grown -= old.Cost()
	}
	if grown > 0 && s.bytes+grown > s.limitOf(e.Key) {
		return 0, engine.ErrStateFull
	}
	if old != nil {
		s.unlinkLocked(old)
	}
	s.addLocked(f)
	s.notifyLocked(was, f.Entry)
	return f.Version, nil
}

// checkVersion returns ErrVersion if a record, or nil, does not have this version.
func checkVersion(f *record, version uint64) error {
	is := uint64(0)
	if f != nil {
		is = f.Version
	}
	if version != engine.AnyVersion && version != is {
		return engine.ErrVersion
	}
	return nil
}

// Delete implements engine.State.
func (s *state) Delete(k engine.Key, version uint64, done func(error)) {
	s.mu.Lock()
	f := s.findLocked(k)
	err := checkVersion(f, version)
	if err == nil && f != nil {
		s.removeLocked(f)
	}
	s.mu.Unlock()
	done(err)
}

// List implements engine.State.
func (s *state) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	s.mu.Lock()
	var all []engine.Entry
	if g := s.tables[table][of]; g != nil {
		i, found := slices.BinarySearch(g.names, after)
		if found {
			i++
		}
		now := s.now()
		all = make([]engine.Entry, 0, max(0, min(limit, len(g.names)-i)))
		for i < len(g.names) && len(all) < limit {
			f := g.byName[g.names[i]]
			if f.expiredAt(now) {
				s.removeLocked(f) // the next name moves to index i
				continue
			}
			all = append(all, f.Entry)
			i++
		}
	}
	s.mu.Unlock()
	done(all, nil)
}

// CountEntries implements engine.State.
func (s *state) CountEntries(table, of, after, before string, done func(int, error)) {
	n := 0
	s.mu.Lock()
	if g := s.tables[table][of]; g != nil {
		first, found := slices.BinarySearch(g.names, after)
		if found {
			first++
		}
		end := len(g.names)
		if before != "" {
			end, _ = slices.BinarySearch(g.names, before)
		}
		n = max(0, end-first)
	}
	s.mu.Unlock()
	done(n, nil)
}

// Watch implements engine.State.
func (s *state) Watch(table string, f func(was, is engine.Entry)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[table] = append(slices.Clip(s.watchers[table]), &f)
	for _, g := range s.tables[table] {
		for _, one := range g.byName {
			f(engine.Entry{Key: one.Key}, one.Entry)
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers[table] = slices.DeleteFunc(slices.Clone(s.watchers[table]), func(other *func(was, is engine.Entry)) bool { return other == &f })
	}
}

func (s *state) notifyLocked(was, is engine.Entry) {
	for _, f := range s.watchers[is.Table] {
		(*f)(was, is)
	}
}

func (s *state) addLocked(f *record) {
	table := s.tables[f.Table]
	if table == nil {
		table = map[string]*group{}
		s.tables[f.Table] = table
	}
	g := table[f.Of]
	if g == nil {
		g = &group{byName: map[string]*record{}}
		table[f.Of] = g
	}
	i, _ := slices.BinarySearch(g.names, f.Name)
	g.byName[f.Name], g.names = f, slices.Insert(g.names, i, f.Name)
	s.bytes += f.Cost()
	if !f.Expires.IsZero() {
		heap.Push(&s.expiries, f)
	}
}

// unlinkLocked removes a record, and its group if that is empty then. Watchers are not called.
func (s *state) unlinkLocked(f *record) {
	g := s.tables[f.Table][f.Of]
	delete(g.byName, f.Name)
	i, _ := slices.BinarySearch(g.names, f.Name)
	if g.names = slices.Delete(g.names, i, i+1); len(g.names) == 0 {
		delete(s.tables[f.Table], f.Of)
	}
	s.bytes -= f.Cost()
	if f.index >= 0 {
		heap.Remove(&s.expiries, f.index)
	}
}

// removeLocked removes a record and calls the watchers.
func (s *state) removeLocked(f *record) {
	s.unlinkLocked(f)
	s.notifyLocked(f.Entry, engine.Entry{Key: f.Key})
}

// expire removes the records that have expired.
func (s *state) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for now := s.now(); len(s.expiries) > 0 && !s.expiries[0].Expires.After(now); {
		s.removeLocked(s.expiries[0])
	}
}

// size returns the cost of all entries.
func (s *state) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// expiries are the records that expire, the next one first: a container/heap.
type expiries []*record

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].Expires.Before(e[j].Expires) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i]; e[i].index, e[j].index = i, j }
func (e *expiries) Push(f any)        { f.(*record).index = len(*e); *e = append(*e, f.(*record)) }
func (e *expiries) Pop() any {
	old := *e
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*e, f.index = old[:len(old)-1], -1
	return f
}
