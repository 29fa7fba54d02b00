package room_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// TestPublicationSize: what goes out is bounded as a whole, wherever its bytes are and
// whichever way it comes, and no message that is taken empties a history.
func TestPublicationSize(t *testing.T) {
	const most = 2000
	v, sign := tokens(t)
	cfg := openConfig()
	open := *cfg.Options("r")
	open.MaxPublication, open.History.Bytes = most, 4*most
	binary := open
	binary.Binary = true
	cfg.Options = policy.Patterns{{Match: "bin:*", Options: binary}, {Match: "*", Options: open}}.Options
	cfg.Tokens, cfg.Text = v, policy.TextLimits{Bytes: -1, Graphemes: -1}
	n := start(t, quietly(cfg), netpoll.Config{})

	remembered := func(room string) (count int) {
		n.hub.Engine().History(room, engine.Span{Limit: -1}, func(h engine.History, _ error) { count = len(h.Publications) })
		return count
	}
	if err := n.say("r", "first"); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", most+1)
	for _, enc := range bothEncodings {
		k := n.connect(enc)
		for _, data := range []string{
			fmt.Sprintf(`{"text":%q}`, long), fmt.Sprintf(`{"other":%q}`, long), fmt.Sprintf(`{"text":"a","b":{"c":[%q]}}`, long), fmt.Sprintf("%q", long),
			"[" + strings.Repeat("0,", most) + "0]",
		} {
			if r := k.Ask(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}}); r.Error == nil || r.Error.Code != uint32(wire.ErrLimitExceeded) || !strings.Contains(r.Error.Message, "2000") {
				t.Errorf("%v, %.30s: %v", enc, data, r)
			}
		}
		k.Publish("r", fmt.Sprintf(`{"text":%q}`, long[:most-200]))
	}
	k := n.connect(wire.Protobuf)
	if r := k.Ask(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "bin:r", Data: []byte(long)}}); r.Error == nil || r.Error.Code != uint32(wire.ErrLimitExceeded) {
		t.Errorf("bytes: %v", r)
	}
	ann := n.chat() // what is told of the author counts
	ann.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "ann", Info: []byte(fmt.Sprintf("%q", long[:1500]))}, time.Hour))
	ann.reply(t)
	ann.say(t, `{"id":2,"publish":{"channel":"r","data":%q}}`, long[:1000])
	if got := ann.reply(t); field(t, got, "error", "code") != 106.0 {
		t.Errorf("an author with much to be told of: %s", got)
	}
	plain := n.join("/r", noDeflate)
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		if err := plain.send(op, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := plain.send(ws.OpText, strings.Repeat(`"`, most/2+1)); err != nil { // twice as long in JSON
		t.Fatal(err)
	}
	if err := plain.send(ws.OpText, "short"); err != nil {
		t.Fatal(err)
	}
	plain.expect(t, ws.OpText, "short")
	for name, m := range map[string]engine.Message{
		"text": {Op: ws.OpText, Data: []byte(long)}, "json": {Op: engine.OpJSON, Data: []byte(fmt.Sprintf("%q", long))},
		"tags": {Op: engine.OpJSON, Data: []byte("{}"), Tags: map[string]string{"x": long}},
	} {
		n.hub.Publish("r", m, func(_ engine.Position, err error) {
			if err == nil {
				t.Errorf("published from outside: %s", name)
			}
		})
	}
	if count := remembered("r"); count != 4 {
		t.Errorf("%d messages are remembered, of the four that were taken", count)
	}
}

// TestInvisibleTexts: nobody says what nobody sees, in either dialect.
func TestInvisibleTexts(t *testing.T) {
	cfg := openConfig()
	cfg.Text = policy.TextLimits{Bytes: -1, Graphemes: -1}
	n := start(t, quietly(cfg), netpoll.Config{})
	k, plain := n.connect(wire.JSON), n.join("/r", noDeflate)
	for _, text := range []string{"", " ", "\u200b", "\u3000\n", "\u2800", "\u3164", "\ufeff\u00ad", "\u0301"} {
		r := k.Ask(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(fmt.Sprintf(`{"text":%q}`, text))}})
		if r.Error == nil || r.Error.Code != uint32(wire.ErrText) {
			t.Errorf("%+q: %v", text, r)
		}
		if err := plain.send(ws.OpText, text); err != nil {
			t.Fatal(err)
		}
	}
	for _, data := range []string{`{ "text" : "" }`, `{"text":"" }`, `{"picture":1,"text":" "}`, `{"te\u0078t":"\u200b"}`} {
		r := k.Ask(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}})
		if r.Error == nil || r.Error.Code != uint32(wire.ErrText) {
			t.Errorf("%s: %v", data, r)
		}
	}
	k.Publish("r", `{"text":"","picture":"p.png"}`)
	k.Publish("r", `{"picture":"p.png"}`)
	k.Publish("r", `{"text":" \u200b."}`)
	for _, want := range []string{`{"text":"","picture":"p.png"}`, `{"picture":"p.png"}`, " \u200b."} {
		plain.expect(t, ws.OpText, want)
	}
}
