package slab

import (
	"testing"

	"pgregory.net/rapid"
)

// record stands for a connection's.
type record struct {
	index uint32
	gen   Generation
}

func TestSlab(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slab := Slab[record]{Number: func(r *record, i uint32) { r.index = i }}
		inUse := map[*record]uint32{}
		many := rapid.SampledFrom([]int{1, 10, chunkLen, chunkLen + 1}).Draw(t, "many")
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				for r, i := range inUse {
					if r.index != i || slab.At(i) != r || i >= slab.Len() {
						t.Fatalf("record %d of %d has moved", i, slab.Len())
					}
				}
			},
			"get": func(t *rapid.T) {
				for range many {
					r := slab.Get()
					if _, twice := inUse[r]; twice {
						t.Fatalf("record %d is given out twice", r.index)
					}
					inUse[r] = r.index
				}
			},
			"put": func(t *rapid.T) {
				n := many
				for r := range inUse {
					if n--; n < 0 {
						break
					}
					slab.Put(r.index)
					delete(inUse, r)
				}
			},
		})
	})
}

// A generation is odd in each use, and no two uses have the same id.
func TestGeneration(t *testing.T) {
	r := record{index: 7}
	ids := map[uint64]bool{0: true}
	for range 1000 {
		if next := r.gen.Next(); InUse(r.gen.Load()) || r.gen.Begin() != next || r.gen.Load() != next || !InUse(next) {
			t.Fatalf("generation %d begins behind %d", r.gen.Load(), next)
		}
		id := ID(r.index, r.gen.Load())
		if i, gen := Split(id); ids[id] || i != r.index || gen != r.gen.Load() {
			t.Fatalf("id %x is number %d, generation %d", id, i, gen)
		}
		ids[id] = true
		r.gen.End()
	}
}
