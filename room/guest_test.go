package room_test

import (
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/room"
	"webim/room/guest"
	"webim/room/policy"
	"webim/room/token"
)

// A guest says a name, gets an id and a token, and is the same guest with that
// token, in either dialect; nobody else has such an id.
func TestGuests(t *testing.T) {
	v, sign := tokens(t)
	guests, err := guest.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	revoked := &token.Revoked{}
	n := start(t, room.Config{Tokens: v, Anonymous: true, Guests: guests, Revoked: revoked, PingInterval: -1,
		Options: policy.Patterns{{Match: "r", Options: policy.Options{Presence: true, Rights: policy.OpenRights()}}, {Match: "members", Options: policy.Options{Rights: policy.Rights{policy.ActJoin: policy.RoleUser, policy.ActRead: policy.RoleUser}}}}.Options}, netpoll.Config{})
	connect := func(format string, args ...any) (*client, string) {
		c := n.chat()
		c.say(t, format, args...)
		return c, c.reply(t)
	}
	first, got := connect(`{"id":1,"connect":{"data":{"guest":" Ann "}}}`)
	user, _ := field(t, got, "connect", "data", "user").(string)
	text, _ := field(t, got, "connect", "data", "token").(string)
	if !strings.HasPrefix(user, "guest:") || text == "" {
		t.Fatal(got)
	}
	first.say(t, `{"id":2,"subscribe":{"channel":"r"}}`)
	first.reply(t)
	again, got := connect(`{"id":1,"connect":{"token":%q}}`, text)
	if field(t, got, "connect", "expires") != true {
		t.Fatal(got)
	}
	again.say(t, `{"id":2,"subscribe":{"channel":"r"}}`)
	again.reply(t)
	again.say(t, `{"id":3,"publish":{"channel":"r","data":1}}`)
	for _, c := range []*client{first, again} {
		pub := c.reply(t)
		for field(t, pub, "push") == nil {
			pub = c.reply(t) // the reply to publish
		}
		if field(t, pub, "push", "pub", "info", "user") != user || field(t, pub, "push", "pub", "info", "conn_info", "name") != "Ann" {
			t.Errorf("published by %s", pub)
		}
	}
	again.say(t, `{"id":4,"subscribe":{"channel":"members"}}`)
	end := again.Wait()
	reply := again.reply(t)
	for !strings.HasPrefix(reply, `{"id":4`) {
		reply = again.reply(t)
	}
	end()
	if field(t, reply, "error", "code") != 103.0 {
		t.Errorf("a guest is no user: %s", reply)
	}
	for _, c := range []struct{ name, connect, want string }{
		{"anonymous, other data", `{"id":1,"connect":{"data":{"name":"x"}}}`, `{"id":1,"connect":`},
		{"no name", `{"id":1,"connect":{"data":{"guest":"  "}}}`, `{"id":1,"error":{"code":107`},
		{"a name that nobody sees", `{"id":1,"connect":{"data":{"guest":"\u0301"}}}`, `{"id":1,"error":{"code":107`},
		{"a name of blank dots", `{"id":1,"connect":{"data":{"guest":"\u2800"}}}`, `{"id":1,"error":{"code":107`},
		{"a name with controls", `{"id":1,"connect":{"data":{"guest":"a\u202eb"}}}`, `{"id":1,"error":{"code":107`},
		{"the application's token with a guest's name", `{"id":1,"connect":{"token":"` + sign(token.Claims{User: user}, time.Hour) + `"}}`, "close 3500"},
		{"a token user", `{"id":1,"connect":{"token":"` + sign(token.Claims{User: "bob"}, time.Hour) + `"}}`, `{"id":1,"connect":`},
		{"nobody's token", `{"id":1,"connect":{"token":"` + text[:len(text)-3] + `"}}`, "close 3500"},
	} {
		if _, got := connect("%s", c.connect); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	n.join("/r?token="+text, noDeflate) // the plain dialect takes it
	if err := revoked.RevokeUser(user, time.Now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, got := connect(`{"id":1,"connect":{"token":%q}}`, text); got != "close 3500" {
		t.Errorf("a guest that was revoked: %s", got)
	}
}
