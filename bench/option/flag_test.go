package option

import (
	"testing"
)

func TestAuto(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Auto{"auto": 0, "7": 7} {
		var a Auto
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want || a.String() != text {
			t.Errorf("%s: %v %v", text, a, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "many"} {
		if err := new(Auto).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
