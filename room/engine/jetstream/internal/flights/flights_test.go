package flights

import (
	"slices"
	"testing"
)

// Callers that come while a job runs share the next one, which is that of the first of them, and are called in their order.
func TestNextJobIsOfTheFirstWhoWaits(t *testing.T) {
	var f Group[string]
	var started []func()
	var ran, got []string
	do := func(name string, meanwhile func()) {
		job := func() string {
			ran = append(ran, name)
			if meanwhile != nil && len(ran) == 1 {
				meanwhile()
			}
			return "of " + name
		}
		f.Do("key", func(run func()) { started = append(started, run) }, job, func(of string) { got = append(got, name+" "+of) })
	}
	do("a", func() {
		do("c", nil)
		do("d", nil)
	})
	do("b", nil)
	for i := 0; i < len(started); i++ {
		started[i]()
	}
	if !slices.Equal(ran, []string{"a", "c"}) || !slices.Equal(got, []string{"a of a", "b of a", "c of c", "d of c"}) {
		t.Errorf("%q have run, and %q were called", ran, got)
	}
	if f.Busy("key") {
		t.Error("a job is left")
	}
	if do("e", nil); !f.Busy("key") || len(started) != 3 {
		t.Error("the key has no further job")
	}
}
