package token

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGrants(t *testing.T) {
	v := open(t, allKeys(t))
	id, err := connection(t, v, good(`{"caps":[
		{"channels":["news","user_42"],"allow":["sub"]},
		{"channels":["team-*","*:open"],"match":"wildcard","allow":["sub","pub"]},
		{"channels":["news"],"allow":["hst","prs","unheard-of"]},
		{"channels":["lit*ral"],"allow":["pub"]},
		{"channels":[],"match":"wildcard","allow":["pub"]}],
		"role":"member","roles":["moderator@team-*","owner@team-*:open","member"]}`))
	if err != nil {
		t.Fatal(err)
	}
	const all = Subscribe | Publish | Presence | History
	for room, want := range map[string]Action{
		"news": Subscribe | History | Presence, "user_42": Subscribe, "user_4": 0, "News": 0, "": 0,
		"team-": Subscribe | Publish, "team-a": Subscribe | Publish, "a-team-b": 0, "x:open": Subscribe | Publish, "x:opened": 0,
		"lit*ral": Publish, "literal": 0, "*": 0,
	} {
		for a := Action(0); a <= all; a++ {
			if got := id.Grants.Allows(a, room); got != (a&^want == 0) {
				t.Errorf("%04b in %q: %v, where %04b is permitted", a, room, got, want)
			}
		}
	}
	for room, want := range map[string][]string{
		"": {"member"}, "news": {"member"}, "team-a": {"member", "moderator"}, "team-a:open": {"member", "moderator", "owner"},
	} {
		if got := id.Grants.Roles(room); !slices.Equal(got, want) {
			t.Errorf("roles in %q: %q, want %q", room, got, want)
		}
	}
	var none Grants
	if none.Allows(Subscribe, "a") || none.Roles("a") != nil {
		t.Error("no grants permit something")
	}
}

// TestMatchIsARegexp compares Match with the equivalent regular expression.
func TestMatchIsARegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,12}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab*]{0,12}`).Draw(t, "name")
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		if got, want := Match(pattern, name), re.MatchString(name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}

// BenchmarkMatch measures Match for one room, with the worst patterns of the maximum length.
func BenchmarkMatch(b *testing.B) {
	name := strings.Repeat("a", 255)
	for what, pattern := range map[string]string{
		"a name": name, "a prefix": "aaaa*", "stars": strings.Repeat("*", MaxPattern), "parts": strings.Repeat("*a", MaxPattern/2),
		"no end": strings.Repeat("*a", 100) + "*b", "long parts": "*" + strings.Repeat("a", 127) + "b*" + strings.Repeat("a", 127) + "b",
	} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Match(pattern, name)
			}
		})
	}
}
