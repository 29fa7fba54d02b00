package stubs

import (
	"testing"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/subject"
)

// FuzzStubName checks that the offset of a stub is found in its name, and that names sort as offsets do.
func FuzzStubName(f *testing.F) {
	f.Add(uint64(1), uint64(1<<63), "ever 000000000000000g")
	f.Fuzz(func(t *testing.T, a, b uint64, other string) {
		c := subject.ClassOf(0)
		names := [2]string{}
		for i, offset := range []uint64{a, b} {
			names[i] = Key(c, "r", offset).Name
			if back, ok := Offset(c, names[i]); !ok || back != offset {
				t.Errorf("%d is read as %d, %v", offset, back, ok)
			}
			if !(after(c, offset) < names[i] && names[i] < end(c)) {
				t.Errorf("%d is not between the names before and after it", offset)
			}
		}
		if (a < b) != (names[0] < names[1]) {
			t.Errorf("%d and %d are %q and %q", a, b, names[0], names[1])
		}
		Of(c, engine.Entry{Key: engine.Key{Name: other}, Version: 1})
	})
}
