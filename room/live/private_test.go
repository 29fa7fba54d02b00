package live

import (
	"slices"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/token"
)

// TestModeratorsSeeNoPrivateRooms checks that the live picture, like the server API, hides
// private rooms from moderators: in the list of the largest rooms and in the answers to find.
// With a key they are visible.
func TestModeratorsSeeNoPrivateRooms(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	const private = "#anna,bob"
	anna := n.token(token.Claims{User: "anna"})
	n.chat(anna, private)
	n.chat(anna, "tea")
	wstest.Eventually(t, "all have joined", func() bool { return n.hub.Stats().Members == 2 })
	for name, c := range map[string]struct {
		say  string
		sees bool
	}{
		"moderator": {`{"token":"` + n.token(token.Claims{User: "mo", Roles: []string{"moderator"}}) + `"}`, false},
		"admin":     {`{"token":"` + n.token(token.Claims{User: "ad", Roles: []string{"admin"}}) + `"}`, false},
		"key":       {`{"key":"` + key + `"}`, true},
	} {
		w := n.dial(n.feeds, FeedPath)
		w.say("%s", c.say)
		m := w.next("now", func(m message) bool { return m.Largest != nil })
		names := []string{}
		for _, r := range m.Largest {
			names = append(names, r.Name)
		}
		if slices.Contains(names, private) != c.sees || !slices.Contains(names, "tea") {
			t.Errorf("%s: the largest rooms are %v", name, names)
		}
		found := []string{}
		for _, p := range w.find(`{"user":"anna"}`).Found.Connections {
			found = append(found, p.Rooms...)
		}
		if slices.Contains(found, private) != c.sees || !slices.Contains(found, "tea") {
			t.Errorf("%s: anna is found in %v", name, found)
		}
	}
}
