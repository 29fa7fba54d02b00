package chat

import (
	"encoding/json"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/wire"
)

// TestRankOfSanctions checks that a moderator can neither lift nor replace a sanction of an admin, that
// moderators can lift sanctions of other moderators, and that admins can do both.
func TestRankOfSanctions(t *testing.T) {
	h := build(t, room.Config{})
	mod, other, root, second, here := h.come("mod", "moderator"), h.come("other", "moderator"), h.come("root", "admin"), h.come("second", "admin"), h.come("here", "moderator@lobby")
	bob := h.come("bob")
	standing := func(where string) string {
		t.Helper()
		return root.must("sanctions", "{"+strings.TrimSuffix(where, ",")+"}")
	}
	for _, c := range []struct{ impose, lift, where, who string }{
		{"mute", "unmute", `"room":"lobby",`, `"user":"bob"`},
		{"ban", "unban", `"room":"lobby",`, `"user":"bob"`},
		{"ban", "unban", `"room":"lobby",`, `"ip":"192.0.2.0/24"`},
		{"mute", "unmute", ``, `"user":"bob"`},
		{"ban", "unban", ``, `"ip":"192.0.2.7"`},
	} {
		all := "{" + c.where + c.who + "}"
		none := standing(c.where)
		root.must(c.impose, "{"+c.where+c.who+`,"seconds":3600,"reason":"root's"}`)
		before := standing(c.where)
		for _, p := range []*person{mod, here} {
			if p == here && c.where == "" {
				continue // he may not do this anyway
			}
			p.refused(wire.ErrPermissionDenied, c.lift, all)
			p.refused(wire.ErrPermissionDenied, c.impose, "{"+c.where+c.who+`,"seconds":1}`)
			p.refused(wire.ErrPermissionDenied, c.impose, all)
		}
		if got := standing(c.where); got != before {
			t.Errorf("%s %s: %s, was %s", c.impose, all, got, before)
		}
		second.must(c.impose, "{"+c.where+c.who+`,"seconds":60}`) // an admin may shorten a sanction of another admin
		second.must(c.lift, all)
		if got := standing(c.where); got != none {
			t.Errorf("%s %s: %s is left, was %s", c.lift, all, got, none)
		}
		mod.must(c.impose, all)
		other.must(c.impose, "{"+c.where+c.who+`,"seconds":60}`)
		other.must(c.lift, all)
		mod.must(c.impose, all)
		root.must(c.impose, "{"+c.where+c.who+`,"seconds":60}`) // now the admin's
		mod.refused(wire.ErrPermissionDenied, c.lift, all)
		root.must(c.lift, all)
		mod.must(c.lift, all) // nothing is imposed, so nothing is protected
	}
	bob.must("send", `{"room":"lobby","data":{"text":"free"}}`)
	// A key of the server API has the rank of an admin.
	h.hub.Impose(moderation.Sanction{Table: engine.TableMute, Who: "bob", Over: true}, nil, func(error) {})
	mod.refused(wire.ErrPermissionDenied, "unmute", `{"user":"bob"}`)
	bob.refused(wire.ErrMuted, "send", `{"room":"lobby","data":{"text":"x"}}`)
	root.must("unmute", `{"user":"bob"}`)
}

// TestRankMeetsRank checks that an admin can impose a sanction at the same time as a moderator lifts or
// shortens one of a moderator.
func TestRankMeetsRank(t *testing.T) {
	for call, what := range map[string]string{"unmute": "delete mute", "mute": "put mute"} {
		e := late(nil)
		h := build(t, room.Config{Engine: e})
		mod, root := h.come("mod", "moderator"), h.come("root", "admin")
		mod.must("mute", `{"room":"lobby","user":"bob"}`)
		e.set(once(what, func() { root.must("mute", `{"room":"lobby","user":"bob","reason":"root's"}`) }))
		mod.refused(wire.ErrPermissionDenied, call, `{"room":"lobby","user":"bob"}`)
		if got := mod.must("sanctions", `{"room":"lobby"}`); !strings.Contains(got, "root's") {
			t.Errorf("after %s there stands %s", call, got)
		}
	}
}

// TestBanAndRoster checks that a ban removes exactly the users that it binds from the roster.
func TestBanAndRoster(t *testing.T) {
	h := build(t, room.Config{})
	mod, root := h.come("mod", "moderator"), h.come("root", "admin")
	here, gone := h.come("here", "admin"), h.come("gone", "admin")
	bob, away := h.come("bob"), h.come("away")
	for _, p := range []*person{here, gone, bob, away} {
		p.must("room.join", `{"room":"lobby"}`)
	}
	gone.Close()
	away.Close()
	on := func(user string) (is bool) {
		done := make(chan error, 1)
		h.engine().Get(engine.Key{Table: engine.TableMember, Of: "lobby", Name: user}, func(e engine.Entry, err error) { is = e.Version != 0; done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return is
	}
	list := func(p *person) string {
		t.Helper()
		var got roomsResult
		if err := json.Unmarshal([]byte(p.must("rooms", `{}`)), &got); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range got.Rooms {
			names = append(names, one.Room)
		}
		return strings.Join(names, " ")
	}
	ban := func(p *person, user string) {
		t.Helper()
		p.must("ban", `{"room":"lobby","user":"`+user+`"}`)
	}
	// A moderator's ban binds no admin, whether connected or not.
	ban(mod, "bob")
	wstest.Eventually(t, "bob is off the roster", func() bool { return !on("bob") })
	for _, user := range []string{"here", "gone", "away"} {
		ban(mod, user)
	}
	for _, p := range []*person{here, h.come("gone", "admin")} {
		if got := list(p); got != "lobby" || !on(p.name) {
			t.Errorf("%s has %q, on the roster: %v", p.name, got, on(p.name))
		}
	}
	// A user who was away is removed when connecting.
	back := h.come("away")
	if got := list(back); got != "" || on("away") {
		t.Errorf("away has %q, on the roster: %v", got, on("away"))
	}
	for _, user := range []string{"bob", "away"} {
		mod.must("unban", `{"room":"lobby","user":"`+user+`"}`)
	}
	if got := list(bob) + list(back); got != "" {
		t.Errorf("after the ban: %q", got)
	}
	// An admin's ban binds everybody.
	h.enter("lobby", "never", "") // came: nobody knows whether he is one
	for _, user := range []string{"here", "never"} {
		if ban(root, user); on(user) {
			t.Errorf("%s is on the roster", user)
		}
	}
}
