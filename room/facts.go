package room

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

// facts are the State of the memory engine: what is written is gone with the
// process. Two indices, by table and by Of, lead to the groups of entries.
type facts struct {
	most int64
	now  func() time.Time

	mu       sync.Mutex // innermost but for what watchers lock
	version  uint64
	bytes    int64
	tables   map[string]map[string]*factGroup
	watchers map[string][]*func(was, is Entry)
	ends     endings
}

// fact is an entry as it is kept.
type fact struct {
	Entry
	at int // its place among the endings, or -1
}

func (f *fact) endedBy(now time.Time) bool { return !f.Expires.IsZero() && !f.Expires.After(now) }

// factGroup is the entries of a table that have the same Of. Their names are kept in
// order, for lists are read at each message: writing costs moving 16 bytes for
// each name behind, 10 µs in a room of ten thousand.
type factGroup struct {
	byName map[string]*fact
	names  []string
}

// reserve is the part of the bound that is kept for the bans and mutes of
// moderators: who fills the rest must not be safe from them.
const Reserve = 8

// isGuarded: what people do with rooms of their own is not.
func (k Key) IsReserved() bool {
	return (k.Table == TableBan || k.Table == TableBanIP || k.Table == TableMute) && !IsRoster(k.Of)
}

func (s *facts) mostOf(k Key) int64 {
	if k.IsReserved() {
		return s.most
	}
	return s.most - s.most/Reserve
}

func newFacts(most int64, now func() time.Time) *facts {
	return &facts{most: most, now: now, tables: map[string]map[string]*factGroup{}, watchers: map[string][]*func(was, is Entry){}}
}

// MaxState implements State.
func (s *facts) MaxState() int64 { return s.most }

// findLocked is nil for what has ended, too.
func (s *facts) findLocked(k Key) *fact {
	g := s.tables[k.Table][k.Of]
	if g == nil {
		return nil
	}
	f := g.byName[k.Name]
	if f != nil && f.endedBy(s.now()) {
		s.removeLocked(f)
		return nil
	}
	return f
}

// Get implements State; done is called before it returns, as by all its methods.
func (s *facts) Get(k Key, done func(Entry, error)) {
	s.mu.Lock()
	e := Entry{Key: k}
	if f := s.findLocked(k); f != nil {
		e = f.Entry
	}
	s.mu.Unlock()
	done(e, nil)
}

// Put implements State.
func (s *facts) Put(e Entry, done func(uint64, error)) {
	version, err := s.put(e)
	done(version, err)
}

func (s *facts) put(e Entry) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.findLocked(e.Key)
	if err := agree(old, e.Version); err != nil {
		return 0, err
	}
	s.version++
	f := &fact{Entry: e, at: -1}
	f.Version, f.Value = s.version, slices.Clone(e.Value)
	was, grown := Entry{Key: e.Key}, f.Cost()
	if old != nil {
		was = old.Entry
		grown -= old.Cost()
	}
	if grown > 0 && s.bytes+grown > s.mostOf(e.Key) {
		return 0, ErrStateFull
	}
	if old != nil {
		s.dropLocked(old)
	}
	s.keepLocked(f)
	s.tellLocked(was, f.Entry)
	return f.Version, nil
}

// agree tells whether an entry, or nil, has a version.
func agree(f *fact, version uint64) error {
	is := uint64(0)
	if f != nil {
		is = f.Version
	}
	if version != AnyVersion && version != is {
		return ErrVersion
	}
	return nil
}

// Delete implements State.
func (s *facts) Delete(k Key, version uint64, done func(error)) {
	s.mu.Lock()
	f := s.findLocked(k)
	err := agree(f, version)
	if err == nil && f != nil {
		s.removeLocked(f)
	}
	s.mu.Unlock()
	done(err)
}

// List implements State.
func (s *facts) List(table, of, after string, limit int, done func([]Entry, error)) {
	s.mu.Lock()
	var all []Entry
	if g := s.tables[table][of]; g != nil {
		i, found := slices.BinarySearch(g.names, after)
		if found {
			i++
		}
		now := s.now()
		all = make([]Entry, 0, max(0, min(limit, len(g.names)-i)))
		for i < len(g.names) && len(all) < limit {
			f := g.byName[g.names[i]]
			if f.endedBy(now) {
				s.removeLocked(f) // the next is in its place
				continue
			}
			all = append(all, f.Entry)
			i++
		}
	}
	s.mu.Unlock()
	done(all, nil)
}

// CountEntries implements State.
func (s *facts) CountEntries(table, of, after, before string, done func(int, error)) {
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

// Watch implements State.
func (s *facts) Watch(table string, f func(was, is Entry)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[table] = append(slices.Clip(s.watchers[table]), &f)
	for _, g := range s.tables[table] {
		for _, one := range g.byName {
			f(Entry{Key: one.Key}, one.Entry)
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers[table] = slices.DeleteFunc(slices.Clone(s.watchers[table]), func(other *func(was, is Entry)) bool { return other == &f })
	}
}

func (s *facts) tellLocked(was, is Entry) {
	for _, f := range s.watchers[is.Table] {
		(*f)(was, is)
	}
}

func (s *facts) keepLocked(f *fact) {
	table := s.tables[f.Table]
	if table == nil {
		table = map[string]*factGroup{}
		s.tables[f.Table] = table
	}
	g := table[f.Of]
	if g == nil {
		g = &factGroup{byName: map[string]*fact{}}
		table[f.Of] = g
	}
	i, _ := slices.BinarySearch(g.names, f.Name)
	g.byName[f.Name], g.names = f, slices.Insert(g.names, i, f.Name)
	s.bytes += f.Cost()
	if !f.Expires.IsZero() {
		heap.Push(&s.ends, f)
	}
}

// dropLocked takes an entry out; what held nothing else goes with it.
func (s *facts) dropLocked(f *fact) {
	g := s.tables[f.Table][f.Of]
	delete(g.byName, f.Name)
	i, _ := slices.BinarySearch(g.names, f.Name)
	if g.names = slices.Delete(g.names, i, i+1); len(g.names) == 0 {
		delete(s.tables[f.Table], f.Of)
	}
	s.bytes -= f.Cost()
	if f.at >= 0 {
		heap.Remove(&s.ends, f.at)
	}
}

// removeLocked is a deletion, of which watchers are told.
func (s *facts) removeLocked(f *fact) {
	s.dropLocked(f)
	s.tellLocked(f.Entry, Entry{Key: f.Key})
}

// expire removes what has ended.
func (s *facts) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for now := s.now(); len(s.ends) > 0 && !s.ends[0].Expires.After(now); {
		s.removeLocked(s.ends[0])
	}
}

// size is how many bytes are kept, by count.
func (s *facts) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// endings are the entries that end, the next one first: a container/heap.
type endings []*fact

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].Expires.Before(e[j].Expires) }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i]; e[i].at, e[j].at = i, j }
func (e *endings) Push(f any)        { f.(*fact).at = len(*e); *e = append(*e, f.(*fact)) }
func (e *endings) Pop() any {
	old := *e
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*e, f.at = old[:len(old)-1], -1
	return f
}
