package nametable

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

type named struct{ name string }

// TestTable compares the table with a map. All names are in few parts, so that their slots
// collide.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, want := New(func(one *named) string { return one.name }), map[string]*named{}
		var few []string
		for i := 0; len(few) < 40; i++ {
			if part, _ := n.hash(fmt.Sprint(i)); part < 2 {
				few = append(few, fmt.Sprint(i))
			}
		}
		name := rapid.SampledFrom(few)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				one := &named{name: name.Draw(t, "name")}
				if want[one.name] == nil {
					want[one.name] = one
					n.Put(one)
				}
			},
			"remove": func(t *rapid.T) {
				name := name.Draw(t, "name")
				delete(want, name)
				n.Remove(name)
			},
			"": func(t *rapid.T) {
				for _, name := range few {
					if n.Get(name) != want[name] {
						t.Fatalf("%s is %v, want %v", name, n.Get(name), want[name])
					}
				}
				count := 0
				for one := range n.Each() {
					if count++; want[one.name] != one {
						t.Fatalf("%s is there", one.name)
					}
				}
				if count != len(want) || n.Len() != count {
					t.Fatalf("%d are there, %d are counted, want %d", count, n.Len(), len(want))
				}
			},
		})
		for _, name := range few {
			n.Remove(name)
		}
		for _, p := range n.parts {
			if len(p) > leastSlots {
				t.Fatalf("an empty part has %d places", len(p))
			}
		}
	})
}
