package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
)

// A text has control characters wherever they stand among its words of eight bytes; tabs and line
// ends are none.
func TestHasControls(t *testing.T) {
	letters := []rune("abc xyz~ \t\n\réä世🙂\u2028\ufffd")
	controls := []rune("\x00\x01\x08\x0b\x1f\x7f\u0080\u0085\u009f")
	for range 20_000 {
		var text strings.Builder
		want := false
		for range rand.IntN(40) {
			r := letters[rand.IntN(len(letters))]
			if rand.IntN(60) == 0 {
				r, want = controls[rand.IntN(len(controls))], true
			}
			text.WriteRune(r)
		}
		if got := hasControls([]byte(text.String())); got != want {
			t.Fatalf("%q: %v; want %v", text.String(), got, want)
		}
	}
	for r := range unicode.MaxLatin1 + 1 {
		for i := range 20 {
			text := strings.Repeat("x", i) + string(rune(r)) + strings.Repeat("y", 20-i)
			want := unicode.IsControl(rune(r)) && !strings.ContainsRune("\t\n\r", rune(r))
			if got := hasControls([]byte(text)); got != want {
				t.Errorf("%q: %v; want %v", text, got, want)
			}
		}
	}
}
