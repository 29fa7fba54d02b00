package room

import (
	"container/heap"
	"maps"
	"slices"
	"sync"
	"time"
)

// facts are the State of the memory engine: what is written is gone with the
// process. Two indices, by table and by Of, lead to the entries.
type facts struct {
	most int64
	now  func() time.Time

	mu       sync.Mutex // innermost but for what watchers lock
	version  uint64
	bytes    int64
	tables   map[string]map[string]map[string]*fact
	watchers map[string][]*func(Entry)
	ends     endings
}

// fact is an entry as it is kept.
type fact struct {
	Entry
	at int // its place among the endings, or -1
}

// factCost is what an entry takes besides its strings, as measured: three maps'
// share and the record.
const factCost = 256

func (f *fact) cost() int64 { return factCost + int64(len(f.Of)+len(f.Name)+len(f.Value)) }

func newFacts(most int64, now func() time.Time) *facts {
	return &facts{most: most, now: now, tables: map[string]map[string]map[string]*fact{}, watchers: map[string][]*func(Entry){}}
}

// findLocked is nil for what has ended, too.
func (s *facts) findLocked(k Key) *fact {
	f := s.tables[k.Table][k.Of][k.Name]
	if f != nil && !f.Expires.IsZero() && !f.Expires.After(s.now()) {
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
	grown := f.cost()
	if old != nil {
		grown -= old.cost()
	}
	if grown > 0 && s.bytes+grown > s.most {
		return 0, ErrStateFull
	}
	if old != nil {
		s.dropLocked(old)
	}
	s.keepLocked(f)
	s.tellLocked(f.Entry)
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
	group := s.tables[table][of]
	var all []Entry
	for _, name := range slices.Sorted(maps.Keys(group)) {
		if len(all) == limit {
			break
		}
		if f := s.findLocked(Key{table, of, name}); name > after && f != nil {
			all = append(all, f.Entry)
		}
	}
	s.mu.Unlock()
	done(all, nil)
}

// Watch implements State.
func (s *facts) Watch(table string, f func(Entry)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[table] = append(slices.Clip(s.watchers[table]), &f)
	for _, group := range s.tables[table] {
		for _, one := range group {
			f(one.Entry)
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers[table] = slices.DeleteFunc(slices.Clone(s.watchers[table]), func(other *func(Entry)) bool { return other == &f })
	}
}

func (s *facts) tellLocked(e Entry) {
	for _, f := range s.watchers[e.Table] {
		(*f)(e)
	}
}

func (s *facts) keepLocked(f *fact) {
	table := s.tables[f.Table]
	if table == nil {
		table = map[string]map[string]*fact{}
		s.tables[f.Table] = table
	}
	if table[f.Of] == nil {
		table[f.Of] = map[string]*fact{}
	}
	table[f.Of][f.Name] = f
	s.bytes += f.cost()
	if !f.Expires.IsZero() {
		heap.Push(&s.ends, f)
	}
}

// dropLocked takes an entry out; what held nothing else goes with it.
func (s *facts) dropLocked(f *fact) {
	table := s.tables[f.Table]
	delete(table[f.Of], f.Name)
	if len(table[f.Of]) == 0 {
		delete(table, f.Of)
	}
	s.bytes -= f.cost()
	if f.at >= 0 {
		heap.Remove(&s.ends, f.at)
	}
}

// removeLocked is a deletion, of which watchers are told.
func (s *facts) removeLocked(f *fact) {
	s.dropLocked(f)
	s.tellLocked(Entry{Key: f.Key})
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
