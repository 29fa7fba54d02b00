package slab

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table Table[int]
		model := map[uint32]*int{}
		many := rapid.SampledFrom([]int{1, 3, 100, 1500}).Draw(t, "many")
		some := func(t *rapid.T) uint32 { // any that is in use, 0 if none
			for i := range model {
				return i
			}
			return 0
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				for i, v := range model {
					if table.At(i) != v {
						t.Fatalf("number %d has %v, want %v", i, table.At(i), v)
					}
				}
				if table.Len() != len(model) || table.At(0) != nil {
					t.Fatalf("%d in use, want %d", table.Len(), len(model))
				}
			},
			"put": func(t *rapid.T) {
				for range many {
					v := new(int)
					i := table.Put(v)
					if i == 0 || model[i] != nil {
						t.Fatalf("number %d is given out twice, or none", i)
					}
					model[i] = v
				}
			},
			"drop": func(t *rapid.T) {
				for range many {
					i := some(t)
					table.Drop(i)
					delete(model, i)
				}
			},
			"drop all": func(t *rapid.T) {
				for i := range model {
					table.Drop(i)
				}
				clear(model)
				if n := table.n; n > largeTable || n == 0 && table.slots.Load() != nil {
					t.Fatalf("an empty table keeps room for %d", n)
				}
			},
		})
	})
}

// Owners look their own numbers up without a lock while others put and drop.
func TestTableConcurrent(t *testing.T) {
	var table Table[int]
	var owners sync.WaitGroup
	for range 4 {
		owners.Go(func() {
			own := map[uint32]*int{}
			for n := range 5000 {
				v := &n
				own[table.Put(v)] = v
				for i, v := range own {
					if table.At(i) != v {
						t.Errorf("number %d has another's value", i)
						return
					}
					if n%3 == 0 {
						table.Drop(i)
						delete(own, i)
					}
					break
				}
			}
			for i := range own {
				table.Drop(i)
			}
		})
	}
	owners.Wait()
	if n := table.Len(); n != 0 || table.slots.Load() != nil {
		t.Errorf("%d numbers are in use at the end, slots %v", n, table.slots.Load() != nil)
	}
}
