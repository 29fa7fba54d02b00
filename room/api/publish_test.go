package api

import (
	"fmt"
	"strings"
	"testing"

	"webim/room/engine/memory"
)

// TestPublish checks that a publication reaches both dialects and both encodings, with its tags,
// and that the result has its position.
func TestPublish(t *testing.T) {
	n := start(t, nil)
	js, pb, plain := n.chat("ann", ""), n.chat("bob", "centrifuge-protobuf"), n.plain("r")
	js.subscribe("r")
	pb.subscribe("r")
	got := must[position](n, "publish", `{"channel":"r","data":{"text":"hi",
		"x":1},"tags":{"kind":"notice"}}`)
	if got.Offset == 0 || got.Epoch == "" {
		t.Errorf("its place is %+v", got)
	}
	for i, c := range []*client{js, pb} {
		p := c.pub("r")
		if string(p.Data) != "{\"text\":\"hi\",\t\t\"x\":1}" || p.Tags["kind"] != "notice" || p.Offset != got.Offset || p.Info != nil || p.Time == 0 {
			t.Errorf("client %d: %+v", i, p)
		}
	}
	if got := plain.text(); got != "hi" {
		t.Errorf("plain: %q", got)
	}
	b64 := must[position](n, "publish", `{"channel":"r","b64data":"eyJ0ZXh0Ijoi4pyTIn0="}`)
	if p := js.pub("r"); string(p.Data) != `{"text":"✓"}` || p.Offset != b64.Offset || b64.Epoch != got.Epoch {
		t.Errorf("in base64: %+v, %+v", p, b64)
	}
}

// TestPublishBinary checks that a room marked binary takes bytes, and JSON as bytes.
func TestPublishBinary(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "centrifuge-protobuf")
	c.subscribe("bin")
	must[position](n, "publish", `{"channel":"bin","b64data":"AP8K"}`)
	if p := c.pub("bin"); string(p.Data) != "\x00\xff\n" {
		t.Errorf("%q", p.Data)
	}
	must[position](n, "publish", `{"channel":"bin","data":{"a":1}}`)
	if p := c.pub("bin"); string(p.Data) != `{"a":1}` {
		t.Errorf("%q", p.Data)
	}
	h := must[historyResult](n, "history", `{"channel":"bin","limit":-1}`)
	if len(h.Publications) != 2 || string(h.Publications[0].B64Data) != "\x00\xff\n" || h.Publications[0].Data != nil {
		t.Errorf("%+v", h)
	}
}

// TestIdempotency checks that only the first message with a key is published within the window.
func TestIdempotency(t *testing.T) {
	engine := memory.New(memory.Limits{})
	n, other := start(t, engine), start(t, engine)
	c := n.chat("ann", "")
	c.subscribe("r")
	const first = `{"channel":"r","data":{"n":1},"tags":{"a":"b"},"idempotency_key":"k"}`
	place := must[position](n, "publish", first)
	must[position](n, "publish", `{"channel":"r","data":{"n":0}}`)
	for _, at := range []*node{n, other} { // two nodes act as one
		if again := must[position](at, "publish", first); again != place {
			t.Errorf("again: %+v, not %+v", again, place)
		}
	}
	for _, body := range []string{
		`{"channel":"r","data":{"n":2},"tags":{"a":"b"},"idempotency_key":"k"}`,
		`{"channel":"r","data":{"n":1},"tags":{"a":"c"},"idempotency_key":"k"}`,
		`{"channel":"r","data":{"n":1},"idempotency_key":"k"}`,
		`{"channel":"r","data":{"n":1},"tags":{"a":"b"},"idempotency_key":"k","skip_history":true}`,
	} {
		if got := n.call("publish", "%s", body); !strings.HasPrefix(got, `{"error":{"code":113,"message":"conflict`) {
			t.Errorf("%s: %s", body, got)
		}
	}
	must[position](n, "publish", `{"channel":"r","data":{"n":3},"idempotency_key":"another"}`)
	if at := must[position](n, "publish", `{"channel":"s","data":{"n":4},"idempotency_key":"k"}`); at.Offset == 0 {
		t.Errorf("in another room: %+v", at)
	}
	for _, want := range []string{`{"n":1}`, `{"n":0}`, `{"n":3}`} {
		if p := c.pub("r"); string(p.Data) != want {
			t.Errorf("got %s, want %s", p.Data, want)
		}
	}
	res := must[broadcastResult](n, "broadcast", `{"channels":["r","new"],"data":{"n":1},"tags":{"a":"b"},"idempotency_key":"k"}`)
	if r := res.Responses; r[0].Result == nil || *r[0].Result != place || r[1].Result == nil {
		t.Errorf("broadcast: %+v", r)
	}
}

func TestBroadcast(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	c.subscribe("a")
	c.subscribe("b")
	res := must[broadcastResult](n, "broadcast", `{"channels":["a","\u0007","b"],"data":[1]}`)
	if r := res.Responses; len(r) != 3 || r[0].Result == nil || r[2].Result == nil || r[1].Result != nil || r[1].Error == nil || r[1].Error.Code != 107 {
		t.Errorf("%+v", r)
	}
	for range 2 {
		if r := c.next(); r.Push == nil || string(r.Push.Pub.Data) != "[1]" {
			t.Errorf("%+v", r)
		}
	}
}

// TestSkipHistory checks that a message with skip_history is delivered, and that its offset
// prevents no client from recovering.
func TestSkipHistory(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	c.subscribe("r")
	first := must[position](n, "publish", `{"channel":"r","data":1}`)
	skipped := must[position](n, "publish", `{"channel":"r","data":2,"skip_history":true}`)
	must[position](n, "publish", `{"channel":"r","data":3}`)
	for i := range 3 {
		if p := c.pub("r"); string(p.Data) != fmt.Sprint(i+1) {
			t.Errorf("got %s", p.Data)
		}
	}
	h := must[historyResult](n, "history", `{"channel":"r","limit":2}`)
	if p := h.Publications; len(p) != 2 || string(p[0].Data) != "1" || string(p[1].Data) != "3" || skipped.Offset <= first.Offset {
		t.Errorf("%+v", h)
	}
	d := n.chat("bob", "")
	d.recover("r", first)
	if r := d.next().Subscribe; r == nil || !r.Recovered || len(r.Publications) != 1 || string(r.Publications[0].Data) != "3" {
		t.Errorf("%+v", r)
	}
}

// TestSend checks that send reaches all connections of a user, or one, in both encodings.
func TestSend(t *testing.T) {
	n := start(t, nil)
	phone, desk, other := n.chat("ann", "centrifuge-protobuf"), n.chat("ann", ""), n.chat("bob", "")
	guest := n.chat("", "")
	n.ok("send", `{"user":"ann","data":{"n":1}}`)
	n.ok("send", `{"user":"ann","client":%q,"data":{"n":2}}`, phone.id)
	n.ok("send", `{"client":%q,"data":{"n":3}}`, other.id)
	n.ok("send", `{"session":%q,"data":{"n":4}}`, guest.id)
	n.ok("send", `{"user":"bob","client":%q,"data":{"n":5}}`, phone.id) // nobody
	n.ok("send", `{"user":"nobody","data":{"n":6}}`)
	for _, one := range []*client{phone, desk, other, guest} { // nobody else gets it
		n.ok("send", `{"client":%q,"data":"end"}`, one.id)
	}
	for _, c := range []struct {
		*client
		want string
	}{
		{phone, `{"n":1} {"n":2} "end"`}, {desk, `{"n":1} "end"`}, {other, `{"n":3} "end"`}, {guest, `{"n":4} "end"`},
	} {
		got := ""
		c.Wait()
		for !strings.HasSuffix(got, `"end" `) {
			got += string(c.next().Push.Message.Data) + " "
		}
		if got != c.want+" " {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
