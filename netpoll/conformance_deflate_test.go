package netpoll_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

// Families 12 and 13: permessage-deflate (RFC 7692). The suite sends 1000
// messages a case; here it is one, or three with WEBIM_LONG,
// each at another level.

// offers are families 12 (the default offer) and 13, and what clients in the
// wild send; window is what the answer must promise, declined that there must
// be none.
var offers = []struct {
	id, offer string
	window    int
	noContext bool // the answer must have server_no_context_takeover
	declined  bool
}{
	{id: "12", offer: "permessage-deflate", window: 1 << 15},
	{id: "13.1", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits", window: 1 << 15},
	{id: "13.2", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover", window: 1 << 15, noContext: true},
	{id: "13.3", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_max_window_bits=8", window: 1 << 8},
	{id: "13.4", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_max_window_bits=15", window: 1 << 15},
	{id: "13.5", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=8", window: 1 << 8, noContext: true},
	{id: "13.6", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15", window: 1 << 15, noContext: true},
	{id: "13.7", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=8, " +
		"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover, permessage-deflate; client_no_context_takeover; client_max_window_bits", window: 1 << 8, noContext: true},
	{id: "9 bits", offer: "permessage-deflate; server_max_window_bits=9", window: 1 << 9},
	{id: "12 bits, quoted", offer: `permessage-deflate; server_max_window_bits="12"`, window: 1 << 12},
	{id: "client bits with a value", offer: "permessage-deflate; client_max_window_bits=10", window: 1 << 15},
	{id: "unknown parameter, then good", offer: "permessage-deflate; of_the_future, permessage-deflate", window: 1 << 15},
	{id: "bad value, then good", offer: "permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits=10", window: 1 << 10},
	{id: "another extension first", offer: "x-webkit-deflate-frame, permessage-deflate", window: 1 << 15},
	{id: "7 bits", offer: "permessage-deflate; server_max_window_bits=7", declined: true},
	{id: "no value", offer: "permessage-deflate; server_max_window_bits", declined: true},
	{id: "leading zero", offer: "permessage-deflate; server_max_window_bits=08", declined: true},
	{id: "not a number", offer: "permessage-deflate; client_max_window_bits=x", declined: true},
	{id: "value where none may be", offer: "permessage-deflate; server_no_context_takeover=1", declined: true},
	{id: "twice", offer: "permessage-deflate; server_max_window_bits=9; server_max_window_bits=10", declined: true},
	{id: "not ours", offer: "permessage-bzip2", declined: true},
}

// checkAnswer reads the server's Sec-WebSocket-Extensions as strictly as a
// client should, and returns the window it promises.
func checkAnswer(t *testing.T, answers []string, noContext bool) (window int) {
	t.Helper()
	if len(answers) != 1 || strings.Contains(answers[0], ",") {
		t.Fatalf("answer %q; want one extension", answers)
	}
	parts := strings.Split(answers[0], ";")
	if strings.TrimSpace(parts[0]) != "permessage-deflate" {
		t.Fatalf("answer %q", answers)
	}
	window = 1 << 15
	var seen []string
	for _, p := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if slices.Contains(seen, name) {
			t.Fatalf("%s twice in %q", name, answers)
		}
		seen = append(seen, name)
		switch bits, err := strconv.Atoi(value); {
		case name == "server_max_window_bits" && err == nil && 8 <= bits && bits <= 15:
			window = 1 << bits
		case (name == "server_no_context_takeover" || name == "client_no_context_takeover") && value == "":
		default:
			t.Fatalf("unexpected %q in %q", p, answers)
		}
	}
	// This client forgets its window after each message: it must be told to,
	// or else the server could not inflate without keeping one.
	if !slices.Contains(seen, "client_no_context_takeover") || noContext && !slices.Contains(seen, "server_no_context_takeover") {
		t.Fatalf("context takeover is not ruled out by %q", answers)
	}
	return window
}

// sizes12 are the suite's sizes of messages and of fragments (0: none).
var sizes12 = [][2]int{{0, 0}, {16, 0}, {64, 0}, {256, 0}, {1024, 0}, {4096, 0}, {8192, 0}, {16384, 0}, {32768, 0}, {65536, 0}, {131072, 0},
	{8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768}}

func TestConformanceDeflate(t *testing.T) {
	kinds := []string{"text", "random", "zeros"}
	data := []string{corpus(200 * kilo), random(200 * kilo), strings.Repeat("\x00", 200*kilo)}
	everySetting(t, func(t *testing.T, addr string, capped bool) {
		for n, o := range offers {
			t.Run(o.id, func(t *testing.T) {
				c := wstest.Dial(t, addr)
				r := c.Handshake("Sec-WebSocket-Extensions: " + o.offer)
				answers := r.Header["Sec-Websocket-Extensions"]
				if r.StatusCode != 101 || o.declined && len(answers) != 0 {
					t.Fatalf("%s, extensions %q", r.Status, answers)
				}
				if o.declined {
					c.Send(text|rsv1, deflated(t, 9, "not negotiated"))
					c.ExpectClose(protocolFailed)
					return
				}
				if w := checkAnswer(t, answers, o.noContext); w > o.window {
					t.Fatalf("%q promises a window of %d, want %d", answers, w, o.window)
				}
				for k, kind := range kinds {
					for i, s := range sizes12 {
						if capped && s[0] > 16384 || !wstest.Long() && (s[0] > 4096 && (i+n+5*k)%12 != 0) {
							continue // each offer and kind takes other large ones
						}
						count := 1
						if wstest.Long() && !capped {
							count = 3
						}
						echoDeflated(t, c, kind, data[k], s[0], s[1], o.window, count)
					}
				}
				c.Leave()
			})
		}
	})
}

// echoDeflated sends messages of one size, at every level of compression and
// also not compressed at all, and judges the echo.
func echoDeflated(t *testing.T, c *wstest.Client, kind, data string, size, fragment, window, count int) {
	t.Helper()
	b0 := byte(bin)
	if kind == "text" {
		b0 = text
	}
	for i := range count {
		m, z := sample(t, kind, data, size, (size+i)%12-2)
		first := b0 | rsv1
		if (size/16+i)%7 == 0 {
			z, first = m, b0 // each message may go without
		}
		if fragment == 0 {
			fragment = len(z) + 1
		}
		var b []byte
		for j, f := range fragmented(first, z, fragment) {
			if b = append(b, wstest.Frame(f.b0, f.payload)...); j == 0 && len(z) > fragment {
				b = append(b, wstest.Frame(ping, "between")...)
			}
		}
		go c.Conn.Write(b)
		if len(z) > fragment {
			c.Expect(pong, "between")
		}
		got, p, err := c.ReadFrame()
		if err != nil || got&^rsv1 != b0 {
			t.Fatalf("%s, %d bytes: frame %02x %s, %v", kind, size, got, wstest.Brief(string(p)), err)
		}
		back := string(p)
		if got&rsv1 != 0 {
			if back, err = inflated(p); err != nil {
				t.Fatalf("%s, %d bytes: inflating the echo: %v", kind, size, err)
			}
			if window < 1<<15 { // no reference can reach further than 1<<15
				if out, reach, err := walk(append(p, "\x00\x00\xff\xff"...)); string(out) != back || reach > window || err != nil {
					t.Fatalf("%s, %d bytes: a reference reaches %d back, window %d; %v", kind, size, reach, window, err)
				}
			}
		} else if kind != "random" && size >= 4096 {
			t.Errorf("%s of %d bytes comes uncompressed", kind, size)
		}
		if back != m {
			t.Fatalf("%s, %d bytes: the echo differs", kind, size)
		}
	}
}

// samples are the messages of sample, each with its compressed form: under the race detector, compressing takes longer
// than all the rest.
var samples = map[string][2]string{}

// sample returns a random part of data, and compresses it. All offers and settings get the same one.
func sample(t *testing.T, kind, data string, size, level int) (m, z string) {
	t.Helper()
	key := fmt.Sprint(kind, size, level)
	if s, ok := samples[key]; ok {
		return s[0], s[1]
	}
	at := rand.IntN(len(data) - size + 1)
	m = data[at : at+size]
	z = deflated(t, level, m)
	samples[key] = [2]string{m, z}
	return m, z
}

// corpus is text of words with far repetitions, valid wherever it is cut.
func corpus(n int) string {
	var b strings.Builder
	words := strings.Fields("habe nun ach philosophie juristerei und medizin und leider auch theologie durchaus studiert mit heissem bemuehn da steh ich nun ich armer tor")
	r := rand.New(rand.NewPCG(1, 2))
	for b.Len() < n {
		fmt.Fprint(&b, words[r.IntN(len(words))], r.IntN(1000), " ")
	}
	return b.String()[:n]
}

func random(n int) string {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return string(b)
}

// What RFC 7692, section 7.2.3, shows: each of these is "Hello".
func TestDeflateExamples(t *testing.T) {
	everySetting(t, func(t *testing.T, addr string, _ bool) {
		for name, z := range map[string]string{
			"7.2.3.1 one block":            "\xf2\x48\xcd\xc9\xc9\x07\x00",
			"7.2.3.3 without compression":  "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
			"7.2.3.4 BFINAL":               "\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
			"7.2.3.5 two blocks":           "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
			"an empty block before it all": "\x00\x00\x00\xff\xff\xf2\x48\xcd\xc9\xc9\x07\x00",
		} {
			t.Run(name, func(t *testing.T) {
				c := wstest.Connect(t, addr, "Sec-WebSocket-Extensions: permessage-deflate")
				c.Send(text|rsv1, z)
				c.Expect(text, "Hello")
				c.SendBytes(wstest.Frame(partText|rsv1, z[:3]))
				c.SendBytes(wstest.Frame(cont, z[3:]))
				c.Expect(text, "Hello")
				c.Send(text|rsv1, "\x00") // 7.2.3.6: an empty message
				c.Expect(text, "")
				c.Send(text|rsv1, deflated(t, 9, "and on")) // nothing is left of it
				c.Expect(text, "and on")
				c.Leave()
			})
		}
		for name, m := range map[string]struct {
			b0      byte
			payload string
		}{
			"bad UTF-8":        {text | rsv1, deflated(t, 9, "no\xff")},
			"ends in a rune":   {text | rsv1, deflated(t, 9, "no\xe2\x82")},
			"no deflate":       {bin | rsv1, "\xff\xff\xff\xff"},
			"stored, cut":      {bin | rsv1, "\x00\x20\x00\xdf\xff\x48"},
			"before the start": {bin | rsv1, "\x02\x02\x00"},
		} {
			t.Run(name, func(t *testing.T) {
				c := wstest.Connect(t, addr, "Sec-WebSocket-Extensions: permessage-deflate")
				c.Send(m.b0, m.payload)
				c.ExpectClose(badText, protocolFailed)
			})
		}
	})
}
