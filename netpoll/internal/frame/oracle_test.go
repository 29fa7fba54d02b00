package frame

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// oracle decodes the whole input at once, a frame after another, with a copy
// for everything. The code says how it ended: 0 if more might come.
func oracle(in []byte, lim Limits) (string, ws.StatusCode) {
	var events []string
	var message Event
	done := func(code ws.StatusCode) (string, ws.StatusCode) { return strings.Join(events, " "), code }
	for open, frames := false, 0; ; {
		extra := 0 // bytes of the length behind its first seven bits
		if len(in) >= 2 {
			extra = map[byte]int{126: 2, 127: 8}[in[1]&127]
		}
		if len(in) < 2+extra {
			return done(0)
		}
		fin, rsv, op := in[0]&128 != 0, in[0]&0x70, ws.OpCode(in[0]&15)
		length := uint64(in[1] & 127)
		if extra > 0 {
			length = binary.BigEndian.Uint64(append(make([]byte, 8-extra), in[2:2+extra]...))
		}
		if length>>63 == 1 || extra == 2 && length <= 125 || extra == 8 && length <= 65535 {
			return done(1002)
		}
		if in[1]&128 == 0 {
			return done(1002)
		}
		if len(in) < 2+extra+4 {
			return done(0)
		}
		mask, rest := in[2+extra:6+extra], in[6+extra:]
		payload := make([]byte, min(length, uint64(len(rest))))
		for i := range payload {
			payload[i] = rest[i] ^ mask[i%4]
		}
		whole := uint64(len(payload)) == length
		in = rest[len(payload):]
		switch op {
		case ws.OpClose, ws.OpPing, ws.OpPong:
			if !fin || rsv != 0 || length > 125 {
				return done(1002)
			}
			if !whole {
				return done(0)
			}
			events = append(events, Event{Op: op, Data: payload}.text())
			continue
		case ws.OpText, ws.OpBinary:
			if open || rsv != 0 && (rsv != 0x40 || !lim.Deflate) {
				return done(1002)
			}
			message, frames = Event{Op: op, Compressed: rsv != 0}, 0
		case ws.OpContinuation:
			if !open || rsv != 0 {
				return done(1002)
			}
		default:
			return done(1002)
		}
		if frames++; uint64(len(message.Data))+length > uint64(lim.MaxMessage) || frames > lim.MaxFragments {
			return done(1009)
		}
		message.Data = append(message.Data, payload...)
		if open = !fin; message.Op == ws.OpText && !message.Compressed && badText(message.Data, fin && whole) {
			return done(1007)
		}
		if !whole {
			return done(0)
		}
		if fin {
			events = append(events, message.text())
		}
	}
}

// badText goes over a text rune by rune.
func badText(p []byte, all bool) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			return all || !utf8Prefixes[string(p)]
		}
		p = p[n:]
	}
	return false
}

// compare holds the decoder, fed in pieces, against the oracle.
func compare(t interface{ Fatalf(string, ...any) }, in []byte, lim Limits, pieces ...[]byte) *Error {
	want, code := oracle(in, lim)
	got, err := feed(lim, pieces...)
	var gotCode ws.StatusCode
	if err != nil {
		gotCode = err.Code
	}
	if got != want || gotCode != code {
		t.Fatalf("%x in %d pieces:\n%q, %v\nwant\n%q, %d", in, len(pieces), got, err, want, code)
	}
	return err
}

func TestOracleOnCases(t *testing.T) {
	for _, c := range wireCases {
		compare(t, c.in, c.limits(), c.in)
	}
}

// genFrame draws a frame, mostly a good one in its place.
func genFrame(t *rapid.T, open *bool, deflate bool) []byte {
	op := byte(rapid.SampledFrom([]int{1, 1, 2, 8, 9, 10}).Draw(t, "op"))
	if op < 8 {
		if *open {
			op = 0
		}
		if *open = rapid.Bool().Draw(t, "more"); !*open {
			op |= 0x80
		}
	} else {
		op |= 0x80
	}
	if deflate && (op&15 == 1 || op&15 == 2) && rapid.Bool().Draw(t, "compressed") {
		op |= 0x40
	}
	payload := rapid.OneOf(rapid.StringN(0, 20, 100), rapid.SampledFrom([]string{"", "\xf0\x9f", "\x98\x80", "\xe2", "\x82\xac", strings.Repeat("y", 126), strings.Repeat("\u20ac", 100)})).Draw(t, "payload")
	b := frame(op, payload)
	switch rapid.IntRange(0, 60).Draw(t, "damage") {
	case 0:
		b[0] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 1:
		b[1] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 2:
		b[len(b)-1] ^= 0x80
	case 3:
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "cut")]
	}
	return b
}

func TestDecoderRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := Limits{MaxMessage: rapid.IntRange(0, 600).Draw(t, "max"), MaxFragments: rapid.IntRange(1, 6).Draw(t, "fragments"), Deflate: rapid.Bool().Draw(t, "deflate")}
		var in []byte
		var open bool
		for range rapid.IntRange(0, 10).Draw(t, "frames") {
			in = append(in, genFrame(t, &open, lim.Deflate)...)
		}
		err := compare(t, in, lim, in)
		var pieces [][]byte
		for b := in; len(b) > 0; {
			n := rapid.IntRange(1, len(b)).Draw(t, "piece")
			pieces, b = append(pieces, b[:n]), b[n:]
		}
		if e := compare(t, in, lim, pieces...); e != err {
			t.Fatalf("in pieces: %v; whole: %v", e, err)
		}
		if e := compare(t, in, lim, bytewise(in)...); e != err {
			t.Fatalf("bytewise: %v; whole: %v", e, err)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	for _, c := range wireCases {
		f.Add(c.in, uint16(len(c.in)/2), uint16(testLimits.MaxMessage), uint8(testLimits.MaxFragments), c.deflate)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut, maxMessage uint16, maxFragments uint8, deflate bool) {
		lim := Limits{MaxMessage: int(maxMessage), MaxFragments: max(1, int(maxFragments)), Deflate: deflate}
		if len(in) > 1<<12 {
			in = in[:1<<12]
		}
		at := int(cut) % (len(in) + 1)
		err := compare(t, in, lim, in)
		if e := compare(t, in, lim, in[:at], in[at:]); e != err {
			t.Fatalf("%x cut at %d: %v; whole: %v", in, at, e, err)
		}
		if e := compare(t, in, lim, bytewise(in)...); e != err {
			t.Fatalf("%x bytewise: %v; whole: %v", in, e, err)
		}
	})
}

// TestDecoderBelievesNoLength checks that a header which announces 1 GB makes the decoder allocate at
// most twice the bytes that have arrived.
func TestDecoderBelievesNoLength(t *testing.T) {
	lim := Limits{MaxMessage: 2 << 30, MaxFragments: 1 << 20}
	for _, in := range [][]byte{frameHead(0x82, 1<<30), cat(frame(0x02, "x"), frameHead(0x80, 1<<30))} {
		var d Decoder
		for len(in) > 0 {
			_, n, err := d.Next(in, lim)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			in = in[n:]
		}
		for arrived := len(d.body); arrived < 1<<20; arrived = len(d.body) {
			if cap(d.body) > 2*arrived {
				t.Fatalf("%d bytes are held for %d that came", cap(d.body), arrived)
			}
			if _, n, err := d.Next(make([]byte, 1+arrived/3), lim); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		var d Decoder
		d.Next(smallHead, lim)
	}); n != 0 {
		t.Errorf("a header alone allocates %v times", n)
	}
}

// The work for a message in many fragments is linear: its memory is not made
// anew for each of them.
func TestDecoderGrowsByDoubling(t *testing.T) {
	const size, fragment = 1 << 20, 64
	lim := Limits{MaxMessage: size, MaxFragments: 1 << 20}
	var d Decoder
	grown := 0
	for i := range size / fragment {
		in := frame(0x00, strings.Repeat("x", fragment))
		if i == 0 {
			in[0] = 0x02
		}
		before := cap(d.body)
		for len(in) > 0 {
			_, n, err := d.Next(in, lim)
			if n == 0 || err != nil {
				t.Fatal(n, err)
			}
			in = in[n:]
		}
		if cap(d.body) != before {
			if grown++; grown > 40 {
				t.Fatalf("%d bytes in fragments of %d: memory made anew %d times", len(d.body), fragment, grown)
			}
		}
		if cap(d.body) > 2*len(d.body) {
			t.Fatalf("%d bytes are held for %d that came", cap(d.body), len(d.body))
		}
	}
}

var smallHead = frameHead(0x82, 1<<30)

func TestDecodeSmallAllocates(t *testing.T) {
	in := frame(0x81, "a small message")
	buf := make([]byte, len(in))
	var d Decoder
	if n := testing.AllocsPerRun(1000, func() {
		copy(buf, in)
		if ev, _, err := d.Next(buf, testLimits); ev.Op != ws.OpText || err != nil {
			panic("no text")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a small frame", n)
	}
}

func BenchmarkDecodeSmall(b *testing.B) {
	for _, size := range []int{16, 125, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			in := frame(0x81, strings.Repeat("x", size))
			buf := make([]byte, len(in))
			lim := Limits{MaxMessage: 1 << 20, MaxFragments: 8}
			var d Decoder
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(buf, in)
				if ev, _, err := d.Next(buf, lim); ev.Op == 0 || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
