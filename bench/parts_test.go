package bench

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStampIsTextAndComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint32().Draw(t, "v")
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], letters(v))
		for _, c := range b {
			if c < 'a' || c > 'p' {
				t.Fatalf("%q", b)
			}
		}
		if got := number(letters(v)); got != v {
			t.Fatalf("%d became %d", v, got)
		}
	})
}

func TestTemplate(t *testing.T) {
	mask, tag := [4]byte{0xde, 0xad, 0xbe, 0xef}, newTag()
	for _, size := range []int{16, 125, 126, 70000} {
		tmpl := newTemplate(FixedSize(size), tag, &client{mask: mask})
		for _, seq := range []uint32{0, 1, 1 << 31} {
			b := slices.Clone(tmpl.number(seq))
			h, err := parseHeader(b)
			if err != nil || h.length != size || !h.masked || h.mask != mask || len(b) != h.size+size {
				t.Fatalf("size %d: %+v %v", size, h, err)
			}
			body := b[h.size:]
			xorMask(body, mask, 0)
			if got, gotTag := stampOf((*[headBytes]byte)(body)); got != seq || gotTag != tag {
				t.Fatalf("size %d: %d %x", size, got, gotTag)
			}
			for _, c := range body {
				if c < 'a' || c > 'z' {
					t.Fatalf("size %d: byte %q", size, c)
				}
			}
		}
	}
}

func TestHistAgainstSorting(t *testing.T) {
	var h, half Hist
	var all []int64
	for range 20000 {
		v := int64(rand.ExpFloat64() * 3e6)
		all = append(all, v)
		if v%2 == 0 {
			h.Record(v)
		} else {
			half.Record(v)
		}
	}
	h.Merge(&half)
	slices.Sort(all)
	for _, q := range []float64{.001, .5, .9, .99, .999, 1} {
		want := all[max(0, int(q*float64(len(all))+.999999)-1)]
		if got := h.Quantile(q); got < want || float64(got) > float64(want)*(1+1./64)+1 {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
	if h.Count() != 20000 || h.max != all[len(all)-1] || (&Hist{}).Quantile(.5) != 0 {
		t.Errorf("count %d, max %d", h.Count(), h.max)
	}
	h.Record(-5)
	h.Record(1<<63 - 1)
}

func TestBucketsHoldWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64Range(0, 1<<62).Draw(t, "v")
		i := bucketOf(v)
		if top := uint64(bucketTop(i)); v > top || bucketOf(top) != i || bucketOf(top+1) != i+1 {
			t.Fatalf("%d in bucket %d up to %d", v, i, top)
		}
	})
}

func TestScheduleDependsOnNothing(t *testing.T) {
	s := newSchedule(1000, 300, 4, 20)
	if s.total != 1200 || s.due(0) != 1000 || s.due(300) != 1000+1e9 || s.end < s.due(1199) {
		t.Errorf("%+v", s)
	}
}

// The remainder without division is the remainder.
func TestTallySenders(t *testing.T) {
	for _, senders := range []int{1, 2, 3, 7, 20, 64, 1000} {
		ta := newTally(newSchedule(now(), 1e6, .01, senders), FixedSize(128), newTag())
		c := &client{}
		ta.watch(c)
		for seq := range uint32(ta.total) {
			ta.count(c, seq, now())
		}
		for i, last := range c.last {
			if int(last-1)%senders != i {
				t.Fatalf("%d senders: message %d counted for sender %d", senders, last-1, i)
			}
		}
		if ta.reordered+ta.duplicates+ta.foreign != 0 || int(ta.hist.Count()) != ta.total {
			t.Fatalf("%d senders: %+v", senders, ta.reordered)
		}
	}
}

func TestTallyEverySplit(t *testing.T) {
	tag := newTag()
	var b []byte
	payload := make([]byte, 130)
	for seq := range uint32(3) {
		binary.LittleEndian.PutUint64(payload, letters(seq))
		binary.LittleEndian.PutUint64(payload[8:], tag)
		b = appendFrame(b, opText, payload, nil)
	}
	for i := 0; i <= len(b); i++ {
		for j := i; j <= len(b); j += 7 {
			ta, c := newTally(newSchedule(now(), 3, 1, 2), FixedSize(130), tag), &client{}
			ta.watch(c)
			for _, part := range [][]byte{b[:i], b[i:j], b[j:]} {
				if err := ta.data(c, slices.Clone(part), now()); err != nil {
					t.Fatal(err)
				}
			}
			if ta.received.Load() != 3 || ta.duplicates+ta.reordered+ta.foreign != 0 {
				t.Fatalf("split %d/%d: %d received", i, j, ta.received.Load())
			}
		}
	}
}

func TestHandshakeAnswers(t *testing.T) {
	h := newHandshake("host", Config{})
	good := "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: " + acceptKey(h.key) + "\r\n\r\n"
	for i := range len(good) {
		if n, err := h.check([]byte(good[:i])); n != 0 || err != nil {
			t.Fatalf("%d bytes: %d %v", i, n, err)
		}
	}
	if n, err := h.check([]byte(good + "rest")); n != len(good) || err != nil {
		t.Fatal(n, err)
	}
	for in, want := range map[string]error{
		"HTTP/1.1 101 X\r\n\r\n": errAccept, "HTTP/1.1 503 X\r\n\r\n": refusal{503},
		"SSH-2.0\r\n\r\n": errAnswer, "HTTP/1.1 1x1 X\r\n\r\n": errAnswer, strings.Repeat("x", maxAnswer+1): errAnswer,
	} {
		if _, err := h.check([]byte(in)); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", in, err, want)
		}
	}
}

func TestGuard(t *testing.T) {
	cases := []struct {
		name         string
		u            Usage
		lag, latency int64
		want         int
	}{
		{"calm", Usage{Server: .5, Client: .3, Thread: .3}, 1e6, 50e6, 0},
		{"thread", Usage{Server: .5, Client: 1, Thread: .95}, 0, 0, 1},
		{"client", Usage{Server: 100, Client: 1000}, 0, 0, 1},
		{"others", Usage{Server: 100, Client: 101, Others: 1000}, 0, 0, 0},
		{"late", Usage{}, 20e6, 40e6, 1},
		{"late, but it matters little", Usage{}, 20e6, 400e6, 0},
	}
	for _, c := range cases {
		if got := c.u.judge(c.lag, c.latency); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestProcess(t *testing.T) {
	p, err := processTree(os.Getpid())
	if err != nil || !slices.Contains(p.pids, os.Getpid()) || p.pss() < 1<<20 || p.cpu() <= 0 || !p.alive() {
		t.Errorf("%+v %v: %d bytes, %d ns", p, err, p.pss(), p.cpu())
	}
	if p, _ := processTree(0); p.known() || p.cpu() != 0 || p.pss() != 0 {
		t.Error("no process has figures")
	}
	if _, err := processTree(1 << 22); err == nil {
		t.Error("a process that does not exist")
	}
}

// The price of a received frame, without the kernel's.
func BenchmarkTally(b *testing.B) {
	tag := newTag()
	var buf []byte
	payload := make([]byte, 128)
	ta := newTally(newSchedule(now(), 8000, 4, 20), FixedSize(128), tag)
	for seq := range uint32(200) {
		binary.LittleEndian.PutUint64(payload, letters(seq))
		binary.LittleEndian.PutUint64(payload[8:], tag)
		buf = appendFrame(buf, opText, payload, nil)
	}
	c := &client{}
	ta.watch(c)
	b.ReportAllocs()
	for range b.N {
		clear(c.seen)
		clear(c.last)
		if err := ta.data(c, buf, now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200, "ns/frame")
}

// A request has one Host, the user's if there is one, and the URL's user goes into Authorization; reports do not show the password.
func TestRequestHeaders(t *testing.T) {
	own := http.Header{"Host": {"chat.example"}, "X-A": {"b"}}
	cfg := Config{URL: "ws://user:p%40w@127.0.0.1:9/", Header: own}
	request := string(newHandshake("127.0.0.1:9", cfg).request("/"))
	if strings.Count(strings.ToLower(request), "\nhost:") != 1 || !strings.Contains(request, "\r\nHost: chat.example\r\n") {
		t.Errorf("%q", request)
	}
	if !strings.Contains(request, "\r\nAuthorization: Basic dXNlcjpwQHc=\r\n") { // user:p@w
		t.Errorf("%q", request)
	}
	if own.Get("Host") == "" {
		t.Error("the caller's headers were changed")
	}
	cfg.Header = http.Header{"Authorization": {"Bearer x"}}
	if request = string(newHandshake("127.0.0.1:9", cfg).request("/")); strings.Count(request, "Authorization:") != 1 || !strings.Contains(request, "Bearer x") {
		t.Errorf("%q", request)
	}
	if shown := cfg.shownURL(); strings.Contains(shown, "p%40w") || !strings.Contains(shown, "user") {
		t.Error(shown)
	}
}

// The token is in the query of the plain dialect, and in the connect command of the other.
func TestToken(t *testing.T) {
	for _, c := range []struct {
		cfg        Config
		room, want string
	}{{Config{}, "/a", "/a"}, {Config{Token: "x+y"}, "/a", "/a?token=x%2By"}, {Config{Token: "x"}, "/a?b=c", "/a?b=c&token=x"}, {Config{Token: "x", Dialect: Centrifuge}, "/a", "/a"}} {
		if got := c.cfg.withToken(c.room); got != c.want {
			t.Errorf("%+v: %q, want %q", c.cfg, got, c.want)
		}
	}
	if got := string(joinCommands("/a", "x")); !strings.Contains(got, `"token":"x"`) || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
}
