package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// sessionStream is what a server may send, and what it means in the plain dialect, control frames included.
var sessionStream = func() (in, want []byte) {
	stamp := strings.Repeat("abcdefghijklmnop", 2)
	text := func(lines ...string) { in = appendFrame(in, opText, []byte(strings.Join(lines, "\n")), nil) }
	means := func(text string) { want = appendFrame(want, opText, []byte(text), nil) }
	text(`{"id":1,"connect":{"client":"c","ping":25,"pong":true}}`)
	text(`{"id":2,"subscribe":{}}`, `{}`, `{"push":{"channel":"a","join":{"info":{"client":"c"}}}}`)
	for range 2 { // the second is known by its beginning
		text(`{"push":{"channel":"a","pub":{"data":{"text":"`+stamp+`"},"offset":7}}}`, "", `{"push":{"channel":"a","pub":{"data":{"text":"`+stamp+`x"}}}}`)
		means(stamp)
		means(stamp + "x")
	}
	text(`{"push":{"channel":"a","pub":{"data":{"text":"` + stamp + `\"\\\u0041"}}}}`)
	means(stamp + `"\A`)
	text(`{"push":{"channel":"a","pub":{"offset":1,"data":"`+stamp+`"}}}`, `{"push":{"channel":"a","pub":{"data":[1]}}}`+"\n")
	means(stamp)
	means("[1]")
	in = append(in, opText, 4) // in two frames, a ping between them
	in = append(in, `{"pu`...)
	in = appendFrame(in, opPing, []byte("p"), nil)
	want = appendFrame(want, opPing, []byte("p"), nil)
	rest := `sh":{"channel":"a","pub":{"data":{"text":"` + stamp + `"}}}}`
	in = append(append(in, 0x80|opContinuation, byte(len(rest))), rest...)
	means(stamp)
	text(`{"push":{"channel":"a","pub":{"data":{"text":"` + strings.Repeat(stamp, 130) + `"}}}}`)
	means(strings.Repeat(stamp, 130))
	text(`{"id":9,"publish":{}}`, `{"id":10,"error":{"code":111,"message":"slow down"}}`)
	text(`{"id":4294967295,"publish":{}}`, `{"id":10,"publish":{}}`) // the first is known by its form
	in = appendFrame(in, opClose, []byte{0x03, 0xe8}, nil)
	want = appendFrame(want, opClose, []byte{0x03, 0xe8}, nil)
	return in, want
}

func TestSessionAtEverySplit(t *testing.T) {
	in, want := sessionStream()
	check := func(at string, parts ...[]byte) {
		t.Helper()
		s := newSession()
		var got, answers []byte
		for _, p := range parts {
			plain, answer, err := s.take(nil, bytes.Clone(p))
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			clear(p) // nothing of it may be kept
			got, answers = append(got, plain...), append(answers, answer...)
		}
		if !bytes.Equal(got, want) || string(answers) != "{}\n" || !s.joined || len(s.refused) != 1 || s.refused[0] != "111 slow down" || cap(s.dec.packed) > 4<<10 {
			t.Fatalf("%s: %.300q, answers %q, joined %v, refused %q", at, got, answers, s.joined, s.refused)
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

// A session knows a reply without a decoder only if it is the first one with another id.
func TestDoneIsKnown(t *testing.T) {
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
		s := newSession()
		if s.isDone([]byte(c.line)) {
			t.Errorf("%s is known before anything was learned", c.line)
		}
		s.learnDone([]byte(c.first), c.id)
		if got := s.isDone([]byte(c.line)); got != c.want {
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
		plain, _, err := newSession().take(nil, appendFrame(nil, opText, []byte(text), nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if strings.Contains(text, "pub") && string(plain) != "\x81\x01x" {
			t.Errorf("%s: what came before the error is lost: %q", text, plain)
		}
	}
	if _, _, err := newSession().take(nil, []byte{0x81, 0x82, 1, 2, 3, 4, 5, 6}); err != errMasking {
		t.Error(err)
	}
}

// A command is JSON at any size, and what it publishes is the payload.
func TestPublishCommand(t *testing.T) {
	c := &client{path: `/we"ird`, session: newSession(), mask: [4]byte{1, 2, 3, 4}}
	for _, size := range []string{"16", "128", "16-300", "70000"} {
		s, err := ParseSize(size)
		if err != nil {
			t.Fatal(err)
		}
		tag := newTag()
		tm := newTemplate(s, tag, c)
		for seq := range uint32(50) {
			frame := tm.number(seq)
			h, err := parseHeader(frame)
			if err != nil || h.size+h.length != len(frame) {
				t.Fatal(err, h)
			}
			payload := bytes.Clone(frame[h.size:])
			xorMask(payload, h.mask, 0)
			var m struct {
				ID      uint32
				Publish struct {
					Channel string
					Data    struct{ Text string }
				}
			}
			if err := json.Unmarshal(payload, &m); err != nil || m.ID != seq+firstMessageID || m.Publish.Channel != `we"ird` || len(m.Publish.Data.Text) != s.of(seq) {
				t.Fatalf("%v %+v", err, m)
			}
			if got, its := stampOf((*[headBytes]byte)([]byte(m.Publish.Data.Text))); got != seq || its != tag {
				t.Fatalf("%d instead of %d", got, seq)
			}
		}
	}
}

// talking is half a second with 50 messages.
var talking = Flood{Clients: 10, Senders: 2, Rate: []float64{100}, Seconds: 0.5, Size: FixedSize(32), Grace: 10 * time.Second}

func TestCentrifugeFlood(t *testing.T) {
	t.Parallel()
	s := (&channelServer{delay: 50 * time.Millisecond}).start(t)
	r, err := talking.Run(context.Background(), Config{URL: s.url, Dialect: Centrifuge})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Flood[0]; f.Delivered != 500 || f.Lost+f.Duplicates+f.Foreign != 0 || f.Gone != 0 || f.Latency.P50 < 50 {
		t.Errorf("%+v", f)
	}
	if c := r.Conditions; c.Dialect != Centrifuge || c.Channel != "lobby" || !strings.Contains(c.Terms(), "centrifuge channel lobby") {
		t.Errorf("%+v", c)
	}
	if s.paths[centrifugePath] != 10 || len(s.paths) != 1 {
		t.Error(s.paths)
	}
}

// The dialect over TLS, and in several processes.
func TestCentrifugeElsewhere(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"TLS":       {URL: (&channelServer{secure: ownCertificate(t)}).start(t).url},
		"processes": {URL: (&channelServer{}).start(t).url, Processes: 3, Worker: workerCommand()},
	} {
		cfg.Dialect = Centrifuge
		r, err := talking.Run(context.Background(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f := r.Flood[0]; f.Delivered != 500 || f.Lost+f.Duplicates+f.Foreign != 0 || f.Gone != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// What a server loses, doubles or refuses is seen, and why.
func TestCentrifugeFloodCounts(t *testing.T) {
	t.Parallel()
	s := (&channelServer{copies: func(n int) int { return map[int]int{3: 0, 5: 2}[n] + map[bool]int{true: 1}[n != 3 && n != 5] },
		refuse: func(name string, n int) int {
			if name == "publish" && n == 7 {
				return 111
			}
			return 0
		}}).start(t)
	r, err := talking.Run(context.Background(), Config{URL: s.url + "else/where", Dialect: Centrifuge, Channel: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Flood[0]; f.Lost != 20 || f.Duplicates != 10 || f.Foreign != 0 || f.Gone != 0 {
		t.Errorf("%+v", f)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "refused 1 messages") || !strings.Contains(notes, "111 as told") {
		t.Error(notes)
	}
	if s.paths["/else/where"] != 10 || s.channels["busy"] == nil {
		t.Error(s.paths, s.channels)
	}
}

func TestCentrifugeRefusals(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for command, code := range map[string]int{"connect": 101, "subscribe": 103} {
		s := &channelServer{refuse: func(name string, _ int) int { return map[string]int{command: code}[name] }}
		_, err := talking.Run(ctx, Config{URL: s.start(t).url, Dialect: Centrifuge})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d as told", code)) {
			t.Errorf("%s: %v", command, err)
		}
	}
	if _, err := talking.Run(ctx, Config{URL: (&channelServer{close: 3501}).start(t).url, Dialect: Centrifuge}); err == nil || !strings.Contains(err.Error(), "code 3501") {
		t.Error(err)
	}
	s := (&channelServer{kick: true, silent: true}).start(t)
	o := talking
	o.Grace = 100 * time.Millisecond
	r, err := o.Run(ctx, Config{URL: s.url, Dialect: Centrifuge})
	if err != nil || r.Flood[0].Gone != 2 {
		t.Errorf("%v %+v: the senders are gone", err, r)
	}
}

// Every scenario that the dialect is for, and a channel for each client where a scenario wants paths.
func TestCentrifugeScenarios(t *testing.T) {
	t.Parallel()
	cfg := func(t *testing.T) Config {
		return Config{URL: (&channelServer{}).start(t).url, Dialect: Centrifuge, Settle: time.Millisecond, PID: os.Getpid(), Floor: floorCommand("127.0.0.1:0")}
	}
	ctx := context.Background()
	t.Run("idle", func(t *testing.T) {
		r, err := Idle{Clients: []int{5, 20}}.Run(ctx, cfg(t))
		if err != nil || r.Idle.Steps[1].Clients != 20 || len(r.Idle.Failures) != 0 || r.Idle.Gone != 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("fanout", func(t *testing.T) {
		r, err := Fanout{Clients: 10, Rounds: 4, Block: 2, Size: FixedSize(64)}.Run(ctx, cfg(t))
		if err != nil || r.Fanout.Server.Lost+r.Fanout.Floor.Lost != 0 || r.Fanout.Rounds != 4 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("storm", func(t *testing.T) {
		r, err := Storm{Clients: 20, Rounds: 1}.Run(ctx, cfg(t))
		if err != nil || r.Storm.Rounds[0].Back != 20 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("slow", func(t *testing.T) {
		r, err := Slow{Clients: 10, Stuck: 2, Senders: 2, Rate: 50, Size: FixedSize(32), Seconds: 0.4}.Run(ctx, cfg(t))
		if err != nil || r.Slow.With.Lost+r.Slow.Without.Lost != 0 || r.Slow.Left != 2 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("churn", func(t *testing.T) {
		o := coming
		o.Seconds = 0.5
		r, err := o.Run(ctx, cfg(t))
		if err != nil || r.Churn.Stayers.Lost != 0 || r.Churn.Comers.Came < 5 || r.Churn.Comers.CutOff != 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("echo", func(t *testing.T) {
		r, err := Echo{Clients: 5, Rate: 100, Seconds: 0.3, Size: FixedSize(32), Grace: 10 * time.Second}.Run(ctx, cfg(t))
		if err != nil || r.Echo.Lost+r.Echo.Foreign != 0 || r.Echo.Answered != 30 {
			t.Errorf("%v %+v", err, r)
		}
	})
}

func TestDialectOptions(t *testing.T) {
	const url = "ws://127.0.0.1:1/"
	for name, cfg := range map[string]Config{
		"unknown":     {URL: url, Dialect: "klingon"},
		"channel":     {URL: url, Channel: "lobby"},
		"compress":    {URL: url, Dialect: Centrifuge, Compress: true},
		"subprotocol": {URL: url, Dialect: Centrifuge, Protocols: []string{"centrifuge-protobuf"}},
	} {
		var option *OptionError
		if _, err := (Idle{Clients: []int{1}}).Run(context.Background(), cfg); !errors.As(err, &option) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCentrifugeSmoke(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if err := (Smoke{URL: (&channelServer{}).start(t).url, Dialect: Centrifuge}).Run(ctx); err != nil {
		t.Error(err)
	}
	twice := (&channelServer{copies: func(n int) int { return 1 + n/20%2 }}).start(t)
	if err := (Smoke{URL: twice.url, Dialect: Centrifuge}).Run(ctx); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
	changed := (&channelServer{push: func(channel string, data []byte) string {
		return `{"push":{"channel":"` + channel + `","pub":{"data":` + strings.Replace(string(data), `\u003c`, ">", 1) + `}}}`
	}}).start(t)
	if err := (Smoke{URL: changed.url, Dialect: Centrifuge}).Run(ctx); err == nil || !strings.Contains(err.Error(), "other contents") {
		t.Error(err)
	}
	refusing := (&channelServer{refuse: func(name string, _ int) int { return map[string]int{"subscribe": 103}[name] }}).start(t)
	if err := (Smoke{URL: refusing.url, Dialect: Centrifuge}).Run(ctx); err == nil || !strings.Contains(err.Error(), "103") {
		t.Error(err)
	}
}
