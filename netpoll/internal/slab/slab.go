package slab

import (
	"slices"
	"sync"
	"sync/atomic"
)

// chunkLen records make a chunk: 32 KiB of records of 128 bytes.
const chunkLen = 256

// A Slab holds records of type T. It adds chunks and never moves or frees them, so a pointer to a
// record is valid for the life of the Slab. The zero value is empty. All methods are safe for
// concurrent use.
type Slab[T any] struct {
	// Number is called once for each new record, before Get returns it, with the record's number.
	// Nil: the records do not know their numbers. It is set before the first call of Get.
	Number func(v *T, i uint32)

	mu     sync.Mutex
	free   []uint32
	chunks atomic.Pointer[[]*[chunkLen]T] // copied when it grows, under mu
}

// Get takes a record that is not in use. Its fields are as its last user left them.
func (s *Slab[T]) Get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		s.growLocked()
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return s.At(i)
}

// Reserve takes the first n records, all of which are new, out of the free ones: the caller gives each a use of
// its own, or passes it to Put. It is called before Get.
func (s *Slab[T]) Reserve(n uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.Len() < n {
		s.growLocked()
	}
	s.free = slices.DeleteFunc(s.free, func(i uint32) bool { return i < n })
}

func (s *Slab[T]) growLocked() {
	var old []*[chunkLen]T
	if p := s.chunks.Load(); p != nil {
		old = *p
	}
	base := uint32(len(old) * chunkLen)
	chunk := new([chunkLen]T)
	for i := range chunk {
		if s.Number != nil {
			s.Number(&chunk[i], base+uint32(i))
		}
	}
	chunks := append(old[:len(old):len(old)], chunk)
	s.chunks.Store(&chunks)
	for i := range uint32(chunkLen) {
		s.free = append(s.free, base+chunkLen-1-i)
	}
}

// Put gives back the record with the number i.
func (s *Slab[T]) Put(i uint32) {
	s.mu.Lock()
	s.free = append(s.free, i)
	s.mu.Unlock()
}

// At returns the record with the number i, which must be less than Len.
func (s *Slab[T]) At(i uint32) *T {
	return &(*s.chunks.Load())[i/chunkLen][i%chunkLen]
}

// Len is one more than the highest number.
func (s *Slab[T]) Len() uint32 {
	if p := s.chunks.Load(); p != nil {
		return uint32(len(*p) * chunkLen)
	}
	return 0
}
