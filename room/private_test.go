package room_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
)

// TestPrivateRoomsOfOthers checks that neither the claims of a token nor a control message makes a user a
// member of a # room of other users.
func TestPrivateRoomsOfOthers(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, room.Config{Tokens: v, Personal: true, Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "eve", Roles: []string{"admin"},
		Channels: []string{"#bob", "#ann,bob", "#bob,eve", "#eve,bob", "#", "#eve,", "news"}}, time.Hour))
	got := c.reply(t)
	subs, _ := field(t, got, "connect", "subs").(map[string]any)
	for _, room := range []string{"#eve", "#bob,eve", "news"} {
		if subs[room] == nil {
			t.Errorf("%s is missing: %s", room, got)
		}
	}
	if len(subs) != 3 {
		t.Errorf("joined: %s", got)
	}
	for _, room := range []string{"#bob", "#ann,bob", "last"} {
		n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlSubscribe, To: engine.Target{User: "eve"}, Room: room}, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if got := c.reply(t); !strings.Contains(got, `"channel":"last"`) {
		t.Errorf("by a control message: %s", got)
	}
	for i, command := range []string{`"subscribe":{"channel":"#bob"}`, `"publish":{"channel":"#bob","data":1}`, `"history":{"channel":"#bob"}`,
		`"presence":{"channel":"#bob"}`, `"presence_stats":{"channel":"#bob"}`, `"subscribe":{"channel":"＃bob"}`} {
		c.say(t, `{"id":%d,%s}`, i+2, command)
		if got := field(t, c.reply(t), "error", "code"); got != 103.0 && i < 5 || i == 5 && got != nil { // the last name only looks like the others
			t.Errorf("%s: %v", command, got)
		}
	}
}

// TestClientsForgeNoAuthor checks that the server sets tags and authors, whatever a client sends in its
// data or beside them.
func TestClientsForgeNoAuthor(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	c, plain := n.chat(), n.join("/r", noDeflate)
	c.say(t, `{"id":1,"connect":{"name":"root","data":{"user":"root"}}}`)
	id, _ := field(t, c.reply(t), "connect", "client").(string)
	c.say(t, `{"id":2,"subscribe":{"channel":"r","data":{"info":{"user":"root"}}}}`)
	c.reply(t)
	const claims = `"tags":{"event":"delete","of":"1"},"info":{"user":"root"},"offset":7,"time":1`
	c.say(t, `{"id":3,"publish":{"channel":"r","data":{%s},%s}}`, claims, claims)
	for range 2 {
		got := c.reply(t)
		if field(t, got, "push") == nil {
			continue // the reply
		}
		pub, _ := field(t, got, "push", "pub").(map[string]any)
		info, _ := pub["info"].(map[string]any)
		if pub["tags"] != nil || info["user"] != "" || info["client"] != id || pub["offset"] != 1.0 || pub["time"] == 1.0 {
			t.Errorf("published: %s", got)
		}
	}
	if op, p, err := plain.read(); err != nil || string(p) != `{`+claims+`}` {
		t.Errorf("the plain dialect has %x %s, %v", op, p, err)
	}
	if err := plain.send(ws.OpText, `{"text":"x",`+claims+`}`); err != nil {
		t.Fatal(err)
	}
	got := c.reply(t)
	pub, _ := field(t, got, "push", "pub").(map[string]any)
	if pub["tags"] != nil || pub["info"] != nil || pub["offset"] != 2.0 {
		t.Errorf("published by a plain client: %s", got)
	}
}
