package room_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
)

// A subscription's token: whose it must be, and what happens when it runs out.
func TestSubscriptionToken(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, room.Config{Tokens: v, ExpiredGrace: time.Millisecond}, netpoll.Config{})
	claims := token.Claims{User: "ann", Channel: "r"}
	for _, c := range []struct {
		name, token, want string
	}{
		{"good", sign(claims, time.Hour), `{"id":2,"subscribe":{"expires":true,`},
		{"expired", sign(claims, -time.Hour), `{"id":2,"error":{"code":109,`},
		{"broken", "x", `{"id":2,"error":{"code":103,`},
		{"another's", sign(token.Claims{User: "bob", Channel: "r"}, time.Hour), "close 3500"},
		{"another room's", sign(token.Claims{User: "ann", Channel: "q"}, time.Hour), "close 3500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := n.chat()
			cl.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n{\"id\":2,\"subscribe\":{\"channel\":\"r\",\"token\":%q}}", sign(token.Claims{User: "ann"}, 0), c.token)
			cl.reply(t)
			if got := cl.reply(t); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			cl.Conn.Close()
		})
	}
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "ann"}, 0))
	c.reply(t)
	c.say(t, `{"id":2,"subscribe":{"channel":"r","token":%q}}`, sign(claims, 4*time.Second))
	c.reply(t)
	c.say(t, `{"id":3,"sub_refresh":{"channel":"r","token":%q}}`, sign(claims, 5*time.Second))
	if got := c.reply(t); field(t, got, "sub_refresh", "expires") != true {
		t.Error(got)
	}
	if got := c.reply(t); field(t, got, "push", "unsubscribe", "code") != 2501.0 {
		t.Errorf("the token ran out: %s", got)
	}
	c.say(t, `{"id":4,"sub_refresh":{"channel":"r","token":%q}}`, sign(claims, time.Hour))
	if got := c.reply(t); field(t, got, "error", "code") != 103.0 {
		t.Errorf("a new token, too late: %s", got)
	}
}

// A subscription ends when its token is revoked, and the others stay.
func TestRevokedSubscriptionToken(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, room.Config{Tokens: v, Revoked: &token.Revoked{}}, netpoll.Config{})
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "ann"}, 0))
	c.reply(t)
	for i, room := range []string{"r", "q"} {
		c.say(t, `{"id":%d,"subscribe":{"channel":%q,"token":%q}}`, i+2, room, sign(token.Claims{User: "ann", Channel: room, ID: "of-" + room}, time.Hour))
		c.reply(t)
	}
	n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlRevoke, Token: "of-r"}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if got := c.reply(t); field(t, got, "push", "channel") != "r" || field(t, got, "push", "unsubscribe", "code") != 2000.0 {
		t.Errorf("told %s", got)
	}
	c.say(t, `{"id":4,"subscribe":{"channel":"r","token":%q}}`, sign(token.Claims{User: "ann", Channel: "r", ID: "of-r"}, time.Hour))
	if got := c.reply(t); field(t, got, "error", "code") != 103.0 {
		t.Errorf("again: %s", got)
	}
	if err := present(n.hub, "q"); err != 1 {
		t.Errorf("%d are in the other room", err)
	}
}

// What tokens say of a subscription instead of the room's options.
func TestOverridesOfTokens(t *testing.T) {
	v, _ := tokens(t)
	n := start(t, room.Config{Tokens: v, Options: policy.Patterns{{Match: "*", Options: policy.Options{History: engine.Retention{Messages: 10, Bytes: 1 << 10, Age: time.Hour}, Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
	on := &token.Flag{Value: true}
	for _, c := range []struct {
		override token.Override
		want     bool
	}{{token.Override{}, false}, {token.Override{ForceRecovery: on}, true}, {token.Override{ForcePositioning: on}, true}, {token.Override{JoinLeave: on}, false}} {
		if got := n.hub.Config().Options("r").With(policy.OverrideOf(c.override)).Recoverable; got != c.want {
			t.Errorf("%+v: recoverable %v", c.override, got)
		}
	}
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, signed(t, `{"sub":"ann","subs":{"r":{"override":{"force_recovery":{"value":true}}},"q":{}}}`))
	got := c.reply(t)
	if field(t, got, "connect", "subs", "r", "recoverable") != true || field(t, got, "connect", "subs", "q", "recoverable") != nil {
		t.Errorf("connect: %s", got)
	}
	d := n.chat()
	d.say(t, `{"id":1,"connect":{"token":%q}}`, signed(t, `{"sub":"ann"}`))
	d.reply(t)
	d.say(t, `{"id":2,"subscribe":{"channel":"r","recoverable":true,"token":%q}}`, signed(t, `{"sub":"ann","channel":"r","override":{"force_recovery":{"value":true}}}`))
	if got := d.reply(t); field(t, got, "subscribe", "recoverable") != true {
		t.Errorf("subscribe: %s", got)
	}
}

// signed is a token with those claims, as they are.
func signed(t *testing.T, claims string) string {
	t.Helper()
	var m jwt.MapClaims
	if err := json.Unmarshal([]byte(claims), &m); err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, m).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
