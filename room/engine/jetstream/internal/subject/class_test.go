package subject

import (
	"math"
	"testing"
	"time"
)

// TestClass checks that the class of an age keeps publications for at least that time, and is found by its token.
func TestClass(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "ever", -1: "ever", math.MaxInt64: "ever", 1: "1", time.Second: "1", time.Second + 1: "2", 5 * time.Minute: "300"} {
		c := ClassOf(age)
		if c.Token != want || c.Stream != "ROOMS_"+want || c.Age != 0 && c.Age < age {
			t.Errorf("%v: %+v, want the token %s", age, c, want)
		}
		if again, ok := ClassWith(c.Token); !ok || again != c {
			t.Errorf("%s is the token of %+v, want %+v", c.Token, again, c)
		}
	}
	for _, token := range []string{"", "0", "-1", "x", "9223372036", "99999999999999999999"} {
		if c, ok := ClassWith(token); ok {
			t.Errorf("%q is the token of %+v", token, c)
		}
	}
}
