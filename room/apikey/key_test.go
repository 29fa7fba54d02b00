package apikey

import (
	"slices"
	"strings"
	"testing"
)

// TestOpens checks the methods and rooms that rights open. "" stands for a request about no room.
func TestOpens(t *testing.T) {
	for _, c := range []struct {
		rights       []string
		open, closed []string // METHOD@ROOM
		somewhere    []string // methods
	}{
		{nil, []string{"ban@", "publish@r"}, nil, []string{"ban", "publish", "history"}},
		{[]string{"publish"}, []string{"publish@", "publish@r"}, []string{"publis@r", "Publish@r", "ban@", "@r", "*@r"}, []string{"publish"}},
		{[]string{"publish@team-*"}, []string{"publish@team-", "publish@team-a"}, []string{"publish@", "publish@xteam-a", "ban@team-a"}, []string{"publish"}},
		{[]string{"*@team-*"}, []string{"ban@team-a", "publish@team-a"}, []string{"ban@", "ban@r"}, []string{"ban", "publish", "history"}},
		{[]string{"ban@*"}, []string{"ban@r"}, []string{"ban@", "publish@r"}, []string{"ban"}},
		{[]string{"publish@caf\u00e9"}, []string{"publish@caf\u00e9"}, []string{"publish@cafe"}, []string{"publish"}},
		{[]string{"publish@cafe\u0301"}, []string{"publish@caf\u00e9"}, nil, []string{"publish"}}, // another spelling of the same name
		{[]string{"history", "publish@a", "publish@b"}, []string{"history@a", "history@", "publish@a", "publish@b"}, []string{"publish@c", "publish@"}, []string{"history", "publish"}},
		{[]string{"*"}, []string{"ban@", "publish@r"}, nil, []string{"ban", "publish", "history"}},
	} {
		var k Key
		for _, text := range c.rights {
			r, err := ParseRight(text)
			if err != nil {
				t.Fatal(err)
			}
			k.Rights = append(k.Rights, r)
		}
		for _, text := range slices.Concat(c.open, c.closed) {
			method, room, _ := strings.Cut(text, "@")
			if got, want := k.Opens(method, room), slices.Contains(c.open, text); got != want {
				t.Errorf("rights %q: %s in %q is open: %v", c.rights, method, room, got)
			}
		}
		for _, method := range []string{"ban", "publish", "history"} {
			if got, want := k.OpensSomewhere(method), slices.Contains(c.somewhere, method); got != want {
				t.Errorf("rights %q: %s is open somewhere: %v", c.rights, method, got)
			}
		}
	}
	for _, text := range []string{"", "@team-*", "publish@"} {
		if r, err := ParseRight(text); err == nil {
			t.Errorf("%q is a right: %+v", text, r)
		}
	}
}
