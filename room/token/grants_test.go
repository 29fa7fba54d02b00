package token

import (
	"slices"
	"testing"
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
