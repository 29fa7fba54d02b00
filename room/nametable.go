package room

import (
	"hash/maphash"
	"iter"
)

// A nameTable finds rooms, or topics, by their names. It is a hash table of pointers, with the
// names in what they point to: an entry takes 11 to 20 bytes, where an entry of a map with
// a string for its key takes 30 to 55, and there are two for each room. A table is in many
// parts, so that growing takes a moment only. The zero value is empty. Whoever has it
// guards it.
type nameTable[T any] struct {
	name  func(*T) string
	seed  maphash.Seed
	parts [namesParts][]*T // by open addressing; nil is free
	count [namesParts]int
	all   int
}

const (
	namesParts = 256
	namesLeast = 4 // places of a part
)

func newNameTable[T any](name func(*T) string) nameTable[T] {
	return nameTable[T]{name: name, seed: maphash.MakeSeed()}
}

func (n *nameTable[T]) hash(name string) (part int, h uint64) {
	h = maphash.String(n.seed, name)
	return int(h >> 56), h
}

// get is the one of a name, or nil.
func (n *nameTable[T]) get(name string) *T {
	part, h := n.hash(name)
	one, _ := n.find(n.parts[part], name, h)
	return one
}

// find is the one of a name, or nil, and the place where it is or would be.
func (n *nameTable[T]) find(p []*T, name string, h uint64) (*T, int) {
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

// put adds one whose name is not there.
func (n *nameTable[T]) put(one *T) {
	part, h := n.hash(n.name(one))
	if p := n.parts[part]; 4*(n.count[part]+1) > 3*len(p) {
		n.resize(part, max(namesLeast, 2*len(p)))
	}
	_, i := n.find(n.parts[part], n.name(one), h)
	n.parts[part][i] = one
	n.count[part]++
	n.all++
}

// remove takes out the one of a name, if it is there.
func (n *nameTable[T]) remove(name string) {
	part, h := n.hash(name)
	p := n.parts[part]
	one, i := n.find(p, name, h)
	if one == nil {
		return
	}
	// Those behind it move up, unless they would come before the place that is theirs.
	mask := len(p) - 1
	for k := (i + 1) & mask; p[k] != nil; k = (k + 1) & mask {
		_, h := n.hash(n.name(p[k]))
		if (k-int(h)&mask)&mask >= (k-i)&mask {
			p[i], i = p[k], k
		}
	}
	p[i] = nil
	n.all--
	if n.count[part]--; len(p) > namesLeast && 8*n.count[part] < len(p) {
		n.resize(part, len(p)/2)
	}
}

// resize gives a part so many places, a power of two.
func (n *nameTable[T]) resize(part, places int) {
	old := n.parts[part]
	n.parts[part] = make([]*T, places)
	for _, one := range old {
		if one != nil {
			_, h := n.hash(n.name(one))
			_, i := n.find(n.parts[part], n.name(one), h)
			n.parts[part][i] = one
		}
	}
}

// len is how many there are.
func (n *nameTable[T]) len() int { return n.all }

// each walks all, in no order. The table must not change meanwhile.
func (n *nameTable[T]) each() iter.Seq[*T] {
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
