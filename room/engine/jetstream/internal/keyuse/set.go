package keyuse

import (
	"cmp"
	"slices"

	"webim/room/engine/jetstream/internal/retire"
)

// Set is a set of keys, of which some are in use. It takes 17 bytes for each. It is not safe for concurrent use.
type Set struct {
	keys []retire.Ref // in the order of their ids
	used []bool
}

// NewSet returns a set of keys of which none is in use. It takes the slice.
func NewSet(keys []retire.Ref) *Set {
	slices.SortFunc(keys, func(a, b retire.Ref) int { return cmp.Compare(a.ID, b.ID) })
	return &Set{keys, make([]bool, len(keys))}
}

// Use notes that a key is in use. Keys that are not in the set do not matter.
func (s *Set) Use(id uint64) {
	if i, ok := s.find(id); ok {
		s.used[i] = true
	}
}

// IsUsed reports whether a key of the set is in use.
func (s *Set) IsUsed(id uint64) bool {
	i, ok := s.find(id)
	return ok && s.used[i]
}

func (s *Set) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s.keys, id, func(k retire.Ref, id uint64) int { return cmp.Compare(k.ID, id) })
}

// TakeUnused removes at most this many keys from the set that are not in use, and returns them in the order of their sequences.
func (s *Set) TakeUnused(most int) (all []retire.Ref) {
	n := 0
	for i, k := range s.keys {
		if !s.used[i] && len(all) < most {
			all = append(all, k)
			continue
		}
		s.keys[n], s.used[n] = k, s.used[i]
		n++
	}
	s.keys, s.used = s.keys[:n], s.used[:n]
	slices.SortFunc(all, func(a, b retire.Ref) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}
