package sweep

import "testing"

// TestReached checks that rooms which were compared with a server that is behind are compared again: otherwise nobody would ask for
// what they lack below the sequence up to which the others are.
func TestReached(t *testing.T) {
	for _, c := range []struct {
		swept, upTo, other, now uint64
		all                     bool
	}{
		{0, 100, 100, 100, true},
		{100, 120, 120, 120, true},
		{100, 120, 110, 110, true}, // the next time all are asked for what is above 110
		{100, 120, 95, 100, false},
		{100, 90, 95, 100, false},
		{100, 90, 100, 100, true},
	} {
		if now, all := reached(c.swept, c.upTo, c.other); now != c.now || all != c.all {
			t.Errorf("%+v: %d, %v", c, now, all)
		}
	}
}
