package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]string{"128": "128", "64-1024": "64-1024", "128:90,4096:10": "128:90,4096:10", "16-20:3,99": "16-20:3,99:1", "50:7": "50"} {
		if s, err := ParseSize(text); err != nil || s.String() != want {
			t.Errorf("%q: %q %v", text, s, err)
		}
	}
	for _, bad := range []string{"", "x", "15", "64-", "-64", "64-32", "128:", "128:0", "128:-1", "128,", "8-100", "99999999999", "16777217"} {
		if s, err := ParseSize(bad); err == nil || !strings.Contains(err.Error(), "--size") {
			t.Errorf("%q: %v %v", bad, s, err)
		}
	}
	if b, err := json.Marshal([]Size{FixedSize(128), {[]sizePart{{16, 20, 1}}}}); err != nil || string(b) != `[128,"16-20"]` {
		t.Errorf("%s %v", b, err)
	}
}

// Of 100,000 messages the parts have the shares that they should, and a range is filled evenly from end to end.
func TestSizeDistribution(t *testing.T) {
	s, err := ParseSize("128:90,4096:9,64-73:1")
	if err != nil {
		t.Fatal(err)
	}
	n := map[int]int{}
	for seq := range uint32(100000) {
		n[s.of(seq)]++
	}
	if n[128] < 89000 || n[128] > 91000 || n[4096] < 8700 || n[4096] > 9300 || len(n) != 12 || n[64] < 60 || n[73] < 60 {
		t.Errorf("%v", n)
	}
}

// What a template makes, packed or not, is a message of the length and the number asked for.
func TestTemplateOfAllSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(16, 300).Draw(t, "from")
		size := Size{[]sizePart{{from, from + rapid.IntRange(0, 70000).Draw(t, "more"), 1}}}
		c := &client{mask: [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "mask"))}
		c.terms.packed = rapid.Bool().Draw(t, "packed")
		tag := newTag()
		tmpl := newTemplate(size, tag, c)
		d := Decoder{inflate: newInflater()}
		for _, seq := range []uint32{0, 7, 1 << 31} {
			b := slices.Clone(tmpl.number(seq))
			h, err := parseHeader(b)
			if err != nil || !h.masked || h.packed != c.terms.packed || h.size+h.length != len(b) {
				t.Fatalf("%+v %v", h, err)
			}
			xorMask(b[h.size:], h.mask, 0)
			plain := appendHeader(nil, b[0]&0x4f, h.length, nil)
			ev, _, ok, err := d.Next(append(plain, b[h.size:]...))
			if got, gotTag := stampOf(&ev.Head); err != nil || !ok || got != seq || gotTag != tag || ev.Len != size.of(seq) {
				t.Fatalf("message %d: %v %v, %+v", seq, ok, err, ev)
			}
		}
	})
}

// A compressed message, in fragments, cut at every byte.
func TestDecoderInflatesEverySplit(t *testing.T) {
	packed := appendDeflated(nil, []byte(strings.Repeat("fourteen bytes", 10)))
	b := appendFrame(nil, opText|rsv1, packed[:9], nil)
	b[0] &^= 0x80
	b = appendFrame(append(b, 0x89, 0), opContinuation, packed[9:], nil) // with a ping between
	for i := range b {
		d, got := Decoder{inflate: newInflater()}, []Event{}
		for _, part := range [][]byte{b[:i], b[i:]} {
			for len(part) > 0 {
				ev, n, ok, err := d.Next(part)
				if err != nil {
					t.Fatalf("split %d: %v", i, err)
				}
				if part = part[n:]; ok {
					got = append(got, ev)
				}
			}
		}
		if len(got) != 2 || got[1].Len != 140 || string(got[1].Head[:]) != "fourteen bytesfo" {
			t.Fatalf("split %d: %+v", i, got)
		}
	}
	for name, bad := range map[string][]byte{"not deflate": appendFrame(nil, opText|rsv1, []byte("\xff\xff\xff\xff"), nil), "ping": appendFrame(nil, opPing|rsv1, nil, nil)} {
		if _, _, ok, err := (&Decoder{inflate: newInflater()}).Next(bad); ok && err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, _, _, err := (&Decoder{}).Next(b); err != errReserved {
		t.Errorf("not agreed on: %v", err)
	}
}

func TestFloodOfMixedSizesCompressedOrNot(t *testing.T) {
	t.Parallel()
	for _, deflate := range []bool{false, true} {
		var mu sync.Mutex
		lengths := map[int]int{}
		s := &chatServer{deflate: deflate, receive: func(_ int, p []byte) [][]byte {
			mu.Lock()
			lengths[len(p)]++
			mu.Unlock()
			return [][]byte{p}
		}}
		o := small
		o.Rate, o.Seconds = []float64{200}, .3 // the numbers up to 59 have all three sizes
		o.Size, _ = ParseSize("16:5,130:5,70000:1")
		r, err := o.Run(context.Background(), Config{URL: s.start(t).url, Compress: true})
		if err != nil {
			t.Fatal(err)
		}
		res := r.Flood[0]
		if res.Lost+res.Duplicates+res.Reordered+res.Foreign != 0 || res.Delivered != 1200 || len(lengths) != 3 || r.Conditions.Compressed != deflate {
			t.Errorf("deflate %v: %+v, lengths %v", deflate, res, lengths)
		}
		if declined := strings.Contains(strings.Join(r.Notes, ";"), "permessage-deflate"); declined == deflate {
			t.Errorf("deflate %v: %q", deflate, r.Notes)
		}
	}
}

func TestUpgradeTerms(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked http.Header
	s := &chatServer{terms: "Sec-WebSocket-Protocol: b\r\n", requests: func(r *http.Request) {
		mu.Lock()
		asked = r.Header
		mu.Unlock()
	}}
	o := Flood{Clients: 1, Senders: 1, Rate: []float64{10}, Seconds: .1, Size: FixedSize(16)}
	cfg := Config{URL: s.start(t).url, Origin: "https://example.org", Protocols: []string{"a", "b"}, Header: http.Header{"X-Mine": {"yes"}}}
	r, err := o.Run(context.Background(), cfg)
	if err != nil || r.Conditions.Subprotocol != "b" || r.Conditions.Terms() != ", subprotocol b, origin https://example.org" {
		t.Fatalf("%v %+v", err, r)
	}
	if asked.Get("Origin") != cfg.Origin || asked.Get("Sec-WebSocket-Protocol") != "a, b" || asked.Get("X-Mine") != "yes" || asked.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("asked %v", asked)
	}
	for name, c := range map[string]struct {
		terms string
		cfg   Config
		want  error
	}{
		"protocol":         {"Sec-WebSocket-Protocol: c\r\n", Config{Protocols: []string{"a"}}, errProtocol},
		"no protocol":      {"", Config{Protocols: []string{"a"}}, nil},
		"not offered":      {"Sec-WebSocket-Extensions: " + deflateOffer + "\r\n", Config{}, errExtension},
		"context takeover": {"Sec-WebSocket-Extensions: permessage-deflate\r\n", Config{Compress: true}, errExtension},
		"window":           {"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=9\r\n", Config{Compress: true}, errExtension},
		"other":            {"Sec-WebSocket-Extensions: x-other\r\n", Config{Compress: true}, errExtension},
		"good":             {"Sec-WebSocket-Extensions: Permessage-Deflate;server_no_context_takeover; server_max_window_bits=10\r\n", Config{Compress: true}, nil},
	} {
		if _, err := newHandshake("host", c.cfg).agreed([]byte("HTTP/1.1 101 X\r\n" + c.terms + "\r\n")); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What the last answer agreed on holds for the same answer only.
func TestTermsOfEachAnswer(t *testing.T) {
	h := newHandshake("host", Config{Protocols: []string{"a", "b"}})
	for _, want := range []string{"a", "a", "b", "a", "", "c", "c", "b"} {
		head := "HTTP/1.1 101 X\r\n"
		if want != "" {
			head += "Sec-WebSocket-Protocol: " + want + "\r\n"
		}
		got, err := h.agreed([]byte(head + "\r\n"))
		if bad := want == "c"; (err != nil) != bad || !bad && got.protocol != want {
			t.Errorf("%q: %q, %v", want, got.protocol, err)
		}
	}
}
