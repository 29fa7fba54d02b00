package room

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

type named struct{ name string }

// TestNames compares the table with a map. All names are in few parts, so that they are in
// each other's way.
func TestNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, want := newNameTable(func(one *named) string { return one.name }), map[string]*named{}
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
					n.put(one)
				}
			},
			"remove": func(t *rapid.T) {
				name := name.Draw(t, "name")
				delete(want, name)
				n.remove(name)
			},
			"": func(t *rapid.T) {
				for _, name := range few {
					if n.get(name) != want[name] {
						t.Fatalf("%s is %v, want %v", name, n.get(name), want[name])
					}
				}
				count := 0
				for one := range n.each() {
					if count++; want[one.name] != one {
						t.Fatalf("%s is there", one.name)
					}
				}
				if count != len(want) || n.len() != count {
					t.Fatalf("%d are there, %d are counted, want %d", count, n.len(), len(want))
				}
			},
		})
		for _, name := range few {
			n.remove(name)
		}
		for _, p := range n.parts {
			if len(p) > namesLeast {
				t.Fatalf("an empty part has %d places", len(p))
			}
		}
	})
}
