package caller

import "testing"

func outer(depth int, f func() bool) bool {
	if depth > 0 {
		return outer(depth-1, f)
	}
	return f()
}

// TestIsIn checks that a function is found on the stack, however deep, and not on that of another goroutine.
func TestIsIn(t *testing.T) {
	name := Name(outer)
	in := func() bool { return IsIn("nothing", name) }
	for _, depth := range []int{0, 1, 500} {
		if !outer(depth, in) {
			t.Errorf("not found below %d calls", depth)
		}
	}
	other := make(chan bool)
	outer(0, func() bool {
		go func() { other <- in() }()
		return true
	})
	if in() || <-other {
		t.Error("found where it does not run")
	}
}
