package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"webim/room/token"
)

func TestBanMuteKick(t *testing.T) {
	n := start(t, nil)
	alice, bob := n.chat("alice", ""), n.chat("bob", "")
	alice.subscribe("r")
	bob.subscribe("r")

	n.ok("mute", `{"channel":"r","user":"bob","seconds":60,"reason":"noise"}`)
	if p := alice.pub("r"); p.Tags["event"] != "mute" || p.Tags["user"] != "bob" || p.Tags["until"] == "" || p.Info != nil {
		t.Errorf("the room is told %+v", p)
	}
	got := must[sanctionsResult](n, "sanctions", `{"channel":"r"}`)
	if len(got.Bans) != 0 || len(got.Mutes) != 1 || got.Mutes[0].User != "bob" || got.Mutes[0].Reason != "noise" || got.Mutes[0].By != "" || got.Mutes[0].Until <= time.Now().Unix() {
		t.Errorf("sanctions: %+v", got)
	}
	n.ok("unmute", `{"channel":"r","user":"bob"}`)
	n.ok("kick", `{"channel":"r","user":"bob"}`)
	n.ok("ban", `{"user":"bob"}`)
	if got := bob.closing(); got != "closed: 4503 banned" {
		t.Errorf("bob is closed with %q", got)
	}
	n.ok("ban", `{"ip":"192.0.2.7"}`)
	n.ok("ban", `{"channel":"r","ip":"2001:db8:1:2:3::4"}`)
	all := must[sanctionsResult](n, "sanctions", `{}`)
	if len(all.Bans) != 2 || all.Bans[0].User != "bob" || all.Bans[1].IP != "192.0.2.7/32" {
		t.Errorf("sanctions everywhere: %+v", all)
	}
	if here := must[sanctionsResult](n, "sanctions", `{"channel":"r"}`); len(here.Bans) != 1 || here.Bans[0].IP != "2001:db8:1:2::/64" {
		t.Errorf("sanctions of the room: %+v", here)
	}
	n.ok("kick", `{"user":"alice"}`)
	if got := alice.closing(); got != "closed: 3503 force disconnect" {
		t.Errorf("alice is closed with %q", got)
	}
	n.ok("unban", `{"user":"bob"}`)
	n.chat("bob", "")
}

func TestSanctionsThatAreNone(t *testing.T) {
	n := start(t, nil)
	for _, c := range []struct{ method, body, want string }{
		{"ban", `{}`, "name a user"},
		{"ban", `{"user":"a","ip":"192.0.2.7"}`, "name a user"},
		{"mute", `{"ip":"192.0.2.7"}`, "only bans take an ip"},
		{"ban", `{"ip":"everybody"}`, "ip is an address"},
		{"ban", `{"ip":"0.0.0.0/0"}`, "too large a network"},
		{"ban", `{"ip":"2000::/16"}`, "too large a network"},
		{"ban", `{"ip":"::ffff:192.0.2.0/120"}`, "ip is an address"},
		{"ban", `{"user":"a","seconds":-1}`, "seconds"},
		{"ban", `{"user":"a","seconds":9223372036854775807}`, "seconds"},
		{"ban", `{"user":"a","channel":"\u0001"}`, "control characters"},
		{"ban", `{"user":"a","reason":"\u0007"}`, "control characters"},
		{"ban", fmt.Sprintf(`{"user":"a","reason":%q}`, strings.Repeat("x", 201)), "200 bytes"},
		{"kick", `{"channel":"r"}`, "name a user"},
	} {
		if got := n.call(c.method, "%s", c.body); !strings.Contains(got, `"code":107`) || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %s", c.method, c.body, got)
		}
	}
}

// TestRankOverHTTP checks that a moderator's token neither lifts nor replaces a ban or mute that a
// key or an admin's token imposed, and that a key lifts all.
func TestRankOverHTTP(t *testing.T) {
	n := start(t, nil)
	by := func(role, method, body string) string {
		text, err := n.sign.Sign(token.Claims{User: role, Roles: []string{role}})
		if err != nil {
			t.Fatal(err)
		}
		_, answer := n.ask(http.MethodPost, Prefix+method, body, func(r *http.Request) {
			r.Header.Del("X-API-Key")
			r.Header.Set("Authorization", "Bearer "+text)
		})
		return strings.TrimSpace(answer)
	}
	const bob, done, refused = `{"channel":"r","user":"bob"}`, `{"result":{}}`, `{"error":{"code":103,"message":"permission denied: an admin has imposed what stands"}}`
	for _, impose := range []string{"ban", "mute"} {
		for _, who := range []string{"a key", "admin"} {
			if who == "admin" {
				by(who, impose, bob)
			} else {
				n.ok(impose, bob)
			}
			for _, method := range []string{impose, "un" + impose} {
				if got := by("moderator", method, bob); got != refused {
					t.Errorf("a moderator says %s to what %s imposed: %s", method, who, got)
				}
			}
			n.ok("un"+impose, bob)
			for _, method := range []string{impose, "un" + impose} {
				if got := by("moderator", method, bob); got != done {
					t.Errorf("a moderator says %s: %s", method, got)
				}
			}
		}
	}
}

// TestModeratorsToken checks that the token of a moderator of all rooms opens exactly the methods
// that the role allows.
func TestModeratorsToken(t *testing.T) {
	n := start(t, nil)
	now := time.Now().Unix()
	tokens := map[string]token.Claims{
		"user":          {User: "u"},
		"moderator":     {User: "m", Roles: []string{"moderator"}},
		"of one room":   {User: "o", Roles: []string{"moderator@r"}},
		"admin":         {User: "a", Roles: []string{"admin"}},
		"expired admin": {User: "a", Roles: []string{"admin"}, Expires: now - 100},
		"banned admin":  {User: "b", Roles: []string{"admin"}},
		"revoked admin": {User: "r", Roles: []string{"admin"}, ID: "gone"},
	}
	n.ok("ban", `{"user":"b"}`)
	n.ok("revoke", `{"uid":"gone"}`)
	by := func(who, method, body string) int {
		text, err := n.sign.Sign(tokens[who])
		if err != nil {
			t.Fatal(err)
		}
		status, _ := n.ask(http.MethodPost, Prefix+method, body, func(r *http.Request) {
			r.Header.Del("X-API-Key")
			r.Header.Set("Authorization", "Bearer "+text)
		})
		return status
	}
	const ok, no, bad = 200, 403, 401
	boss := n.chatAs(tokens["admin"], "")
	for method, body := range map[string]string{"ban": `{"user":"a"}`, "kick": `{"user":"a"}`, "disconnect": `{"user":"a"}`} {
		if status := by("moderator", method, body); status != ok {
			t.Errorf("a moderator says %s to an admin: %d", method, status)
		}
	}
	n.ok("send", `{"user":"a","data":"still here"}`)
	if r := boss.next(); string(r.GetPush().GetMessage().GetData()) != `"still here"` {
		t.Errorf("the admin gets %+v", r)
	}
	n.ok("disconnect", `{"user":"a"}`) // a key binds admins too
	if got := boss.closing(); got != "closed: 3503 force disconnect" {
		t.Errorf("the admin gets %s", got)
	}
	for _, c := range []struct {
		who  string
		want map[string]int
	}{
		{"user", map[string]int{"ban": no, "info": no, "publish": no}},
		{"of one room", map[string]int{"ban": no, "kick": no, "sanctions": no}},
		{"moderator", map[string]int{
			"ban": ok, "unban": ok, "mute": ok, "unmute": ok, "kick": ok, "sanctions": ok, "disconnect": ok, "presence": ok,
			"presence_stats": ok, "channels": ok, "info": ok, "history": ok,
			"history_remove": no, "publish": no, "broadcast": no, "send": no, "subscribe": no, "unsubscribe": no, "refresh": no, "revoke": no, "batch": no, "nothing": no}},
		{"admin", map[string]int{"ban": ok, "history_remove": ok, "publish": no, "revoke": no, "batch": no}},
		{"expired admin", map[string]int{"info": bad}},
		{"banned admin", map[string]int{"info": bad}},
		{"revoked admin", map[string]int{"info": bad}},
	} {
		for method, want := range c.want {
			if status := by(c.who, method, `{"channel":"r","user":"x"}`); status != want {
				t.Errorf("%s asks for %s: %d, want %d", c.who, method, status, want)
			}
		}
	}
	// A token opens no direct and no private rooms. The case of the scheme does not matter.
	admin, err := n.sign.Sign(tokens["admin"])
	if err != nil {
		t.Fatal(err)
	}
	must[position](n, "publish", `{"channel":"#ann,bob","data":1}`)
	for _, name := range []string{"#ann,bob", "#ann", "$x"} {
		for _, method := range []string{"history", "history_remove", "presence", "presence_stats", "ban", "unban", "mute", "unmute", "kick", "sanctions"} {
			who := `,"user":"x"`
			if method == "sanctions" || !strings.HasSuffix(method, "ban") && !strings.HasSuffix(method, "mute") && method != "kick" {
				who = ""
			}
			status, body := n.ask(http.MethodPost, Prefix+method, `{"channel":"`+name+`"`+who+`}`, func(r *http.Request) {
				r.Header.Del("X-API-Key")
				r.Header.Set("Authorization", "bearer "+admin)
			})
			if status != 200 || body != `{"error":{"code":103,"message":"permission denied: this room is private: use an API key"}}` {
				t.Errorf("%s of %s: %d %s", method, name, status, body)
			}
		}
	}
	n.chatAs(token.Claims{User: "ann", Channels: []string{"#ann", "r"}}, "")
	_, seen := n.ask(http.MethodPost, Prefix+"channels", `{}`, func(r *http.Request) {
		r.Header.Del("X-API-Key")
		r.Header.Set("Authorization", "Bearer "+admin)
	})
	if all := must[channelsResult](n, "channels", `{}`).Channels; all["#ann"].NumClients != 1 || all["r"].NumClients != 1 {
		t.Errorf("with the key the rooms are %v", all)
	}
	if strings.Contains(seen, "#ann") || !strings.Contains(seen, `"r":`) {
		t.Errorf("an admin sees the rooms %s", seen)
	}
	if got := must[historyResult](n, "history", `{"channel":"#ann,bob","limit":-1}`); len(got.Publications) != 1 {
		t.Errorf("with the key: %v", got)
	}
}
