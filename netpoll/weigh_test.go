package netpoll

import "testing"

// A connection is heavy when a turn leaves input, and until a turn that begins with
// nothing left handles all that comes.
func TestWeigh(t *testing.T) {
	r := new(record)
	for i, c := range []struct{ more, resumed, heavy bool }{
		{false, false, false}, {true, false, true}, {true, true, true}, {false, true, true}, {true, false, true}, {false, true, true}, {false, false, false},
	} {
		r.weigh(c.more, c.resumed)
		if got := r.flags.Load()&fHeavy != 0; got != c.heavy {
			t.Errorf("turn %d: heavy is %v", i, got)
		}
	}
}
