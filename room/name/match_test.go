package name

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMatchIsARegexp compares Match with the equivalent regular expression.
func TestMatchIsARegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,12}`).Draw(t, "pattern")
		room := rapid.StringMatching(`[ab*]{0,12}`).Draw(t, "room")
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		if got, want := Match(pattern, room), re.MatchString(room); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, room, got, want)
		}
	})
}

// BenchmarkMatch measures Match for one room, with the worst patterns of the maximum length.
func BenchmarkMatch(b *testing.B) {
	room := strings.Repeat("a", 255)
	for what, pattern := range map[string]string{
		"a name": room, "a prefix": "aaaa*", "stars": strings.Repeat("*", 2*Max+1), "parts": strings.Repeat("*a", Max),
		"no end": strings.Repeat("*a", 100) + "*b", "long parts": "*" + strings.Repeat("a", 127) + "b*" + strings.Repeat("a", 127) + "b",
	} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Match(pattern, room)
			}
		})
	}
}

// TestOverlap compares Overlap with a search for a name that matches both patterns.
func TestOverlap(t *testing.T) {
	names := []string{""}
	for i := 0; len(names[i]) < 8; i++ { // two patterns of the test have no more letters
		names = append(names, names[i]+"a", names[i]+"b")
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[ab*]{0,4}`).Draw(t, "a")
		b := rapid.StringMatching(`[ab*]{0,4}`).Draw(t, "b")
		want := slices.ContainsFunc(names, func(room string) bool { return Match(a, room) && Match(b, room) })
		if got := Overlap(a, b); got != want {
			t.Fatalf("%q and %q: %v, want %v", a, b, got, want)
		}
	})
}
