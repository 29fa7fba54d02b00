package netpoll

import (
	"sync"
	"sync/atomic"
)

// table maps small numbers to what only few connections have at a time. A
// number is one word in the record instead of a pointer, and 0 is "none".
// Whoever owns the number (see record) may look it up without a lock.
type table[T any] struct {
	mu    sync.Mutex
	free  []uint32
	slots atomic.Pointer[[]*T] // written under mu
	n     uint32               // numbers ever given out
}

// put stores v under a free number.
func (t *table[T]) put(v *T) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := len(t.free); k > 0 {
		i := t.free[k-1]
		t.free = t.free[:k-1]
		(*t.slots.Load())[i] = v
		return i
	}
	t.n++
	var slots []*T
	if p := t.slots.Load(); p != nil {
		slots = *p
	}
	if int(t.n) >= len(slots) {
		grown := make([]*T, max(64, 2*len(slots)))
		copy(grown, slots)
		slots = grown
		t.slots.Store(&slots)
	}
	slots[t.n] = v
	return t.n
}

// at returns what has the number, nil for 0.
func (t *table[T]) at(i uint32) *T {
	if i == 0 {
		return nil
	}
	return (*t.slots.Load())[i]
}

// drop forgets a number; its owner must not use it again. Once all are
// forgotten the table costs nothing.
func (t *table[T]) drop(i uint32) {
	if i == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	(*t.slots.Load())[i] = nil
	t.free = append(t.free, i)
	if len(t.free) == int(t.n) && t.n > 1024 {
		t.free, t.n = nil, 0
		t.slots.Store(nil)
	}
}

// each shows what is stored, under the table's lock; v may be in use by its
// owner meanwhile.
func (t *table[T]) each(f func(v *T)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.slots.Load(); p != nil {
		for _, v := range *p {
			if v != nil {
				f(v)
			}
		}
	}
}

// len is how many numbers are in use.
func (t *table[T]) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.n) - len(t.free)
}

// chunkLen records of 128 bytes make a chunk of 32 KiB.
const chunkLen = 256

type chunk [chunkLen]record

// slab holds the records. Chunks are added and never moved or freed, so a
// pointer to a record is good for the server's life; whose record it is, its
// generation tells.
type slab struct {
	mu     sync.Mutex
	free   []uint32
	chunks atomic.Pointer[[]*chunk] // copied on growth
}

// get takes a record for a new connection. Its generation stays even until admit has
// parked the connection.
func (s *slab) get() *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		s.grow()
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return s.at(i)
}

func (s *slab) grow() {
	var old []*chunk
	if p := s.chunks.Load(); p != nil {
		old = *p
	}
	base := uint32(len(old) * chunkLen)
	chunks := append(old[:len(old):len(old)], new(chunk))
	for i := range uint32(chunkLen) {
		chunks[len(old)][i].index = base + i
	}
	s.chunks.Store(&chunks)
	for i := range uint32(chunkLen) {
		s.free = append(s.free, base+chunkLen-1-i)
	}
}

// put returns a record after its connection's end.
func (s *slab) put(r *record) {
	s.mu.Lock()
	s.free = append(s.free, r.index)
	s.mu.Unlock()
}

// at returns the record at an index that was given out.
func (s *slab) at(i uint32) *record {
	return &(*s.chunks.Load())[i/chunkLen][i%chunkLen]
}

// len is one more than the highest index.
func (s *slab) len() uint32 {
	if p := s.chunks.Load(); p != nil {
		return uint32(len(*p) * chunkLen)
	}
	return 0
}
