package cuts

import "testing"

// FuzzCut checks that a cut is read as it was written, and that other bytes are no danger.
func FuzzCut(f *testing.F) {
	f.Add(uint64(1), uint64(1<<40), []byte{1, 0x80})
	f.Fuzz(func(t *testing.T, times, offset uint64, other []byte) {
		c := Cut{times, offset}
		if back := Decode(c.Encode()); back != c {
			t.Errorf("%+v is read as %+v", c, back)
		}
		Decode(other)
	})
}

// TestEpoch checks that each removal of a history makes a new epoch, and that its stream is found in it.
func TestEpoch(t *testing.T) {
	seen := map[string]bool{}
	for times := range uint64(3) {
		epoch := Cut{Times: times}.Epoch("ABC")
		if seen[epoch] || Incarnation(epoch) != "ABC" {
			t.Errorf("removed %d times: %q, of the stream %q", times, epoch, Incarnation(epoch))
		}
		seen[epoch] = true
	}
}
