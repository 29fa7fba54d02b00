package nametable

import (
	"hash/maphash"
	"iter"
)

// A Table finds values by their names. It is a hash table of pointers, and the name is in the
// value: an entry takes 11 to 20 bytes, where an entry of a map with a string key takes 30 to 55
// bytes. A table has many parts, so that growing one part takes little time. The caller guards
// the table with its own mutex.
type Table[T any] struct {
	name  func(*T) string
	seed  maphash.Seed
	parts [numParts][]*T // open addressing; nil is a free slot
	count [numParts]int
	all   int
}

const (
	numParts   = 256
	leastSlots = 4 // slots of a part
)

// New returns an empty table. name returns the name of a value, which must not change while the
// value is in the table.
func New[T any](name func(*T) string) Table[T] {
	return Table[T]{name: name, seed: maphash.MakeSeed()}
}

func (n *Table[T]) hash(name string) (part int, h uint64) {
	h = maphash.String(n.seed, name)
	return int(h >> 56), h
}

// Get returns the value with a name, or nil.
func (n *Table[T]) Get(name string) *T {
	part, h := n.hash(name)
	one, _ := n.find(n.parts[part], name, h)
	return one
}

// find returns the value with a name, or nil, and the slot where it is or would be.
func (n *Table[T]) find(p []*T, name string, h uint64) (*T, int) {
	if len(p) == 0 {
		return nil, 0
	}
	mask := len(p) - 1
	for i := int(h) & mask; ; i = (i + 1) & mask {
		if p[i] == nil || n.name(p[i]) == name {
			return p[i], i
		}
	}
}

// Put adds a value. The table must not have a value with that name.
func (n *Table[T]) Put(one *T) {
	part, h := n.hash(n.name(one))
	if p := n.parts[part]; 4*(n.count[part]+1) > 3*len(p) {
		n.resize(part, max(leastSlots, 2*len(p)))
	}
	_, i := n.find(n.parts[part], n.name(one), h)
	n.parts[part][i] = one
	n.count[part]++
	n.all++
}

// Remove removes the value with a name, if there is one.
func (n *Table[T]) Remove(name string) {
	part, h := n.hash(name)
	p := n.parts[part]
	one, i := n.find(p, name, h)
	if one == nil {
		return
	}
	// The values after it move up, except past the slot where their search begins.
	mask := len(p) - 1
	for k := (i + 1) & mask; p[k] != nil; k = (k + 1) & mask {
		_, h := n.hash(n.name(p[k]))
		if (k-int(h)&mask)&mask >= (k-i)&mask {
			p[i], i = p[k], k
		}
	}
	p[i] = nil
	n.all--
	if n.count[part]--; len(p) > leastSlots && 8*n.count[part] < len(p) {
		n.resize(part, len(p)/2)
	}
}

// resize gives a part a number of slots, which is a power of two.
func (n *Table[T]) resize(part, slots int) {
	old := n.parts[part]
	n.parts[part] = make([]*T, slots)
	for _, one := range old {
		if one != nil {
			_, h := n.hash(n.name(one))
			_, i := n.find(n.parts[part], n.name(one), h)
			n.parts[part][i] = one
		}
	}
}

// Len returns the number of values.
func (n *Table[T]) Len() int { return n.all }

// Each iterates over all values, in no order. The table must not change during the iteration.
func (n *Table[T]) Each() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, p := range n.parts {
			for _, one := range p {
				if one != nil && !yield(one) {
					return
				}
			}
		}
	}
}
