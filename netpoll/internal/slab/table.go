package slab

import (
	"sync"
	"sync/atomic"
)

// A Table holds values of which few exist at a time, under numbers from 1 on. The owner of a number
// may call At without a lock while others put and drop. The zero value is empty. All methods are
// safe for concurrent use.
type Table[T any] struct {
	mu    sync.Mutex
	free  []uint32
	slots atomic.Pointer[[]*T] // written under mu
	n     uint32               // numbers given out since the table was empty
}

// Put stores v and returns its number.
func (t *Table[T]) Put(v *T) uint32 {
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

// At returns the value with the number i, nil for 0.
func (t *Table[T]) At(i uint32) *T {
	if i == 0 {
		return nil
	}
	return (*t.slots.Load())[i]
}

// largeTable is the number of slots above which an empty table frees its memory.
const largeTable = 1024

// Drop forgets the value with the number i; 0 does nothing. Its owner must not use the number
// again. A table of more than largeTable slots frees them when the last value is dropped; a smaller
// one keeps them for the next values.
func (t *Table[T]) Drop(i uint32) {
	if i == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	(*t.slots.Load())[i] = nil
	t.free = append(t.free, i)
	if len(t.free) == int(t.n) && t.n > largeTable {
		t.free, t.n = nil, 0
		t.slots.Store(nil)
	}
}

// Each calls f with each value, under the table's lock. The owner of a value may use it at the same
// time. f must not call the table.
func (t *Table[T]) Each(f func(v *T)) {
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

// Len is the number of values.
func (t *Table[T]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.n) - len(t.free)
}
