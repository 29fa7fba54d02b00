package client

import (
	"bytes"
	"strings"
	"testing"

	"webim/bench/ws"
)

// sessionStream returns bytes from a server, and their meaning in the plain dialect, including control frames.
var sessionStream = func() (in, want []byte) {
	stamp := strings.Repeat("abcdefghijklmnop", 2)
	text := func(lines ...string) { in = ws.AppendFrame(in, ws.Text, []byte(strings.Join(lines, "\n")), nil) }
	means := func(text string) { want = ws.AppendFrame(want, ws.Text, []byte(text), nil) }
	text(`{"id":1,"connect":{"client":"c","ping":25,"pong":true}}`)
	text(`{"id":2,"subscribe":{}}`, `{}`, `{"push":{"channel":"a","join":{"info":{"client":"c"}}}}`)
	for range 2 { // the second line is recognised by its prefix
		text(`{"push":{"channel":"a","pub":{"data":{"text":"`+stamp+`"},"offset":7}}}`, "", `{"push":{"channel":"a","pub":{"data":{"text":"`+stamp+`x"}}}}`)
		means(stamp)
		means(stamp + "x")
	}
	text(`{"push":{"channel":"a","pub":{"data":{"text":"` + stamp + `\"\\\u0041"}}}}`)
	means(stamp + `"\A`)
	text(`{"push":{"channel":"a","pub":{"offset":1,"data":"`+stamp+`"}}}`, `{"push":{"channel":"a","pub":{"data":[1]}}}`+"\n")
	means(stamp)
	means("[1]")
	in = append(in, ws.Text, 4) // in two frames with a ping between them
	in = append(in, `{"pu`...)
	in = ws.AppendFrame(in, ws.Ping, []byte("p"), nil)
	want = ws.AppendFrame(want, ws.Ping, []byte("p"), nil)
	rest := `sh":{"channel":"a","pub":{"data":{"text":"` + stamp + `"}}}}`
	in = append(append(in, 0x80|ws.Continuation, byte(len(rest))), rest...)
	means(stamp)
	text(`{"push":{"channel":"a","pub":{"data":{"text":"` + strings.Repeat(stamp, 130) + `"}}}}`)
	means(strings.Repeat(stamp, 130))
	text(`{"id":9,"publish":{}}`, `{"id":10,"error":{"code":111,"message":"slow down"}}`)
	text(`{"id":4294967295,"publish":{}}`, `{"id":10,"publish":{}}`) // the first line is recognised by its form
	in = ws.AppendFrame(in, ws.Close, []byte{0x03, 0xe8}, nil)
	want = ws.AppendFrame(want, ws.Close, []byte{0x03, 0xe8}, nil)
	return in, want
}

func TestSessionAtEverySplit(t *testing.T) {
	in, want := sessionStream()
	check := func(at string, parts ...[]byte) {
		t.Helper()
		s := NewSession()
		var got, answers []byte
		for _, p := range parts {
			plain, answer, err := s.Translate(nil, bytes.Clone(p))
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			clear(p) // the session must not keep any of it
			got, answers = append(got, plain...), append(answers, answer...)
		}
		if !bytes.Equal(got, want) || string(answers) != "{}\n" || !s.Joined || len(s.refused) != 1 || s.refused[0] != "111 slow down" || cap(s.dec.Payload) > 4<<10 {
			t.Fatalf("%s: %.300q, answers %q, joined %v, refused %q", at, got, answers, s.Joined, s.refused)
		}
	}
	for i := range in {
		b := bytes.Clone(in)
		check("split", b[:i], b[i:])
	}
	var bytewise [][]byte
	for _, b := range in {
		bytewise = append(bytewise, []byte{b})
	}
	check("a byte at a time", bytewise...)
}

// A session recognises a reply without a decoder only if it equals the first one except for the id.
func TestPublishedIsKnown(t *testing.T) {
	for _, c := range []struct {
		first string
		id    uint32
		line  string
		want  bool
	}{
		{`{"id":3,"publish":{}}`, 3, `{"id":3,"publish":{}}`, true},
		{`{"id":3,"publish":{}}`, 3, `{"id":4294967295,"publish":{}}`, true},
		{`{"id":3,"publish":{}}`, 3, `{"id":,"publish":{}}`, false},
		{`{"id":3,"publish":{}}`, 3, `{"id":1x2,"publish":{}}`, false},
		{`{"id":3,"publish":{}}`, 3, `{"id":3,"publish":{}} `, false},
		{`{"id":3,"publish":{}}`, 3, `{"id":3,"rpc":{}}`, false},
		{`{"id":3,"publish":{}}`, 3, `{"id":3,"error":{"code":1},"publish":{}}`, false},
		{`{"id":33,"publish":{"at":33}}`, 33, `{"id":4,"publish":{"at":33}}`, true},
		{`{"publish":{},"id":3}`, 3, `{"publish":{},"id":3}`, false}, // not learned
		{`{"i":3,"id":3,"publish":{}}`, 3, `{"i":4,"id":3,"publish":{}}`, false},
	} {
		s := NewSession()
		if s.isPublished([]byte(c.line)) {
			t.Errorf("%s is known before anything was learned", c.line)
		}
		s.learnPublished([]byte(c.first), c.id)
		if got := s.isPublished([]byte(c.line)); got != c.want {
			t.Errorf("after %s: %s is known: %v", c.first, c.line, got)
		}
	}
}

func TestSessionErrors(t *testing.T) {
	for text, want := range map[string]string{
		`hello`: "not the Centrifuge protocol",
		`{"id":2,"error":{"code":103,"message":"permission denied"}}`:                            "103 permission denied",
		`{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient"}}}`:           "2500 insufficient",
		`{"id":1,"connect":{}}` + "\n" + `{"push":{"channel":"a","pub":{"data":"x"}}}` + "\n[1]": "not the Centrifuge protocol",
	} {
		plain, _, err := NewSession().Translate(nil, ws.AppendFrame(nil, ws.Text, []byte(text), nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if strings.Contains(text, "pub") && string(plain) != "\x81\x01x" {
			t.Errorf("%s: what came before the error is lost: %q", text, plain)
		}
	}
	if _, _, err := NewSession().Translate(nil, []byte{0x81, 0x82, 1, 2, 3, 4, 5, 6}); err != ws.ErrMasking {
		t.Error(err)
	}
}
