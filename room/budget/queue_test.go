package budget

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestQueue compares a queue with a slice.
func TestQueue(t *testing.T) {
	owners := []Owner{{}, User("a"), User("b"), User("c")}
	rapid.Check(t, func(t *rapid.T) {
		const limit = 70 // so that an owner of two entries exceeds 1/64
		q, oracle := NewQueue[int](limit), []*Item[int]{}
		for n := range rapid.IntRange(0, 200).Draw(t, "steps") {
			if len(oracle) > 0 && rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				at := rapid.IntRange(0, len(oracle)-1).Draw(t, "at")
				q.Remove(oracle[at])
				oracle = slices.Delete(oracle, at, at+1)
			} else {
				oracle = append(oracle, q.Push(rapid.SampledFrom(owners).Draw(t, "owner"), n))
			}
			for {
				i := q.Overflow()
				if i == nil {
					break
				}
				held := map[Owner]int{}
				for _, one := range oracle {
					held[one.owner]++
				}
				delete(held, Owner{})
				most := 0
				for _, n := range held {
					most = max(most, n)
				}
				first := func(one *Item[int]) bool { return most <= 1 || held[one.owner] == most && one.owner == i.owner }
				at := slices.IndexFunc(oracle, first)
				if at < 0 || oracle[at] != i {
					t.Fatalf("%d of %v is evicted first, with %v held", i.Value, i.owner, held)
				}
				q.Remove(i)
				oracle = slices.Delete(oracle, at, at+1)
			}
			if q.Len() != len(oracle) || len(oracle) > limit {
				t.Fatalf("%d entries, want %d", q.Len(), len(oracle))
			}
			if len(oracle) > 0 && q.Oldest() != oracle[0] {
				t.Fatalf("the oldest is %v, want %v", q.Oldest().Value, oracle[0].Value)
			}
		}
		for _, i := range oracle {
			q.Remove(i)
		}
		if q.Oldest() != nil || len(q.own)+q.Len() != 0 {
			t.Fatal("an empty queue has entries")
		}
	})
}
