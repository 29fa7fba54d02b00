package frame

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// longTest reports whether the tests are to run at full size.
func longTest() bool { return os.Getenv("WEBIM_LONG") != "" }

// frame draws a client's frame: the first byte as it is, the length in its
// shortest form, the payload masked.
func frame(b0 byte, payload string) []byte {
	return append(frameHead(b0, uint64(len(payload))), masked(payload)...)
}

// frameHead is a client's frame up to the payload.
func frameHead(b0 byte, length uint64) []byte {
	size := 8
	if length < 126 {
		size = 0
	} else if length < 65536 {
		size = 2
	}
	b := append([]byte{b0}, lengthField(0x80, size, length)...)
	return append(b, testMask[:]...)
}

var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func masked(payload string) []byte {
	b := []byte(payload)
	for i := range b {
		b[i] ^= testMask[i%4]
	}
	return b
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

var testLimits = Limits{MaxMessage: 1000, MaxFragments: 8}

// A wireCase is bytes from a client, the events that they are, and how they end.
type wireCase struct {
	name    string
	in      []byte
	want    string // of feed
	err     *Error
	deflate bool
}

// First bytes of frames: FIN, RSV1, opcode.
const (
	fText, fBin, fClose, fPing, fPong, fCont      = 0x81, 0x82, 0x88, 0x89, 0x8a, 0x80
	pText, pBin, pCont, zText, zBin, zPart   byte = 0x01, 0x02, 0x00, 0xc1, 0xc2, 0x41
)

var wireCases = []wireCase{
	{name: "nothing"},
	{name: "text", in: frame(fText, "hello"), want: "text(hello)"},
	{name: "binary", in: frame(fBin, "\x00\xff"), want: "binary(\x00\xff)"},
	{name: "empty text", in: frame(fText, ""), want: "text()"},
	{name: "three at once", in: cat(frame(fText, "a"), frame(fBin, ""), frame(fText, "c")), want: "text(a) binary() text(c)"},
	{name: "126 bytes", in: frame(fText, strings.Repeat("x", 126)), want: "text(" + strings.Repeat("x", 126) + ")"},
	{name: "header only", in: frameHead(fText, 5)},
	{name: "all but the last byte", in: frame(fText, "hello")[:10]},
	{name: "ping, pong, close", in: cat(frame(fPing, "p"), frame(fPong, ""), frame(fClose, "\x03\xe8")), want: "ping(p) pong() close(\x03\xe8)"},
	{name: "125 bytes of ping", in: frame(fPing, strings.Repeat("p", 125)), want: "ping(" + strings.Repeat("p", 125) + ")"},
	{name: "two fragments", in: cat(frame(pText, "he"), frame(fCont, "llo")), want: "text(hello)"},
	{name: "binary fragments", in: cat(frame(pBin, "\xff"), frame(pCont, "\xfe"), frame(fCont, "\xfd")), want: "binary(\xff\xfe\xfd)"},
	{name: "control frames between", in: cat(frame(pText, "he"), frame(fPing, "1"), frame(pCont, "l"), frame(fPong, "2"), frame(fPing, "3"), frame(fCont, "lo"), frame(fText, "x")),
		want: "ping(1) pong(2) ping(3) text(hello) text(x)"},
	{name: "close between", in: cat(frame(pText, "he"), frame(fClose, "")), want: "close()"},
	{name: "empty fragments", in: cat(frame(pText, ""), frame(pCont, ""), frame(fCont, "")), want: "text()"},
	{name: "empty around one", in: cat(frame(pBin, ""), frame(pCont, "x"), frame(fCont, "")), want: "binary(x)"},
	{name: "as many fragments as may be", in: cat(frame(pText, "1"), bytes.Repeat(frame(pCont, ""), 6), frame(fCont, "8")), want: "text(18)"},
	{name: "one fragment too many", in: cat(frame(pText, "1"), bytes.Repeat(frame(pCont, ""), 7), frame(fCont, "9")), err: errTooManyPieces},
	{name: "fragments are counted anew", in: cat(bytes.Repeat(cat(frame(pText, ""), frame(fCont, "x")), 9)), want: strings.Repeat("text(x) ", 9)},
	{name: "pings do not count as fragments", in: cat(frame(pText, "a"), bytes.Repeat(frame(fPing, ""), 20), frame(fCont, "b")), want: strings.Repeat("ping() ", 20) + "text(ab)"},

	{name: "text of all widths", in: frame(fText, "a\u00e9\u20ac\U0010ffff"), want: "text(a\u00e9\u20ac\U0010ffff)"},
	{name: "split inside runes", in: cat(frame(pText, "\xf0"), frame(pCont, "\x9f\x98"), frame(fPing, ""), frame(pCont, ""), frame(fCont, "\x80\xe2\x82\xac")), want: "ping() text(\U0001f600\u20ac)"},
	{name: "bad UTF-8", in: cat(frame(fText, "ok"), frame(fText, "no\xff"), frame(fText, "never")), want: "text(ok)", err: ErrUTF8},
	{name: "text ends inside a rune", in: frame(fText, "\xe2\x82"), err: ErrUTF8},
	{name: "fragments end inside a rune", in: cat(frame(pText, "\xe2"), frame(fCont, "\x82")), err: ErrUTF8},
	{name: "rune broken by a fragment", in: cat(frame(pText, "\xe2\x82"), frame(fCont, "x")), err: ErrUTF8},
	{name: "surrogate split over fragments", in: cat(frame(pText, "\xed"), frame(pCont, "\xa0")), err: ErrUTF8},
	{name: "bad early in a large frame", in: cat(frameHead(fText, 900), masked("fine so far \xc0")), err: ErrUTF8},
	{name: "not yet bad in a large frame", in: cat(frameHead(fText, 900), masked("fine so far \xc2"))},
	{name: "binary need not be text", in: cat(frame(pBin, "\xed"), frame(fCont, "\xa0")), want: "binary(\xed\xa0)"},

	{name: "as large as may be", in: frame(fBin, strings.Repeat("x", 1000)), want: "binary(" + strings.Repeat("x", 1000) + ")"},
	{name: "too big by one", in: frame(fBin, strings.Repeat("x", 1001)), err: ErrTooBig},
	{name: "too big, by the header alone", in: frameHead(fText, 1001), err: ErrTooBig},
	{name: "too big together", in: cat(frame(pBin, strings.Repeat("x", 999)), frame(fPing, ""), frame(fCont, "xy")), want: "ping()", err: ErrTooBig},
	{name: "just not too big together", in: cat(frame(pBin, strings.Repeat("x", 999)), frame(fCont, "y")), want: "binary(" + strings.Repeat("x", 999) + "y)"},
	{name: "1 GB announced", in: frameHead(fBin, 1<<30), err: ErrTooBig},
	{name: "2^63-1", in: frameHead(fBin, 1<<63-1), err: ErrTooBig},
	{name: "2^63-1 after a fragment", in: cat(frame(pBin, "xx"), frameHead(fCont, 1<<63-1)), err: ErrTooBig},
	{name: "2^32 (0 in 32 bits)", in: cat(frameHead(fBin, 1<<32), frame(fText, "x")), err: ErrTooBig},
	{name: "top bit", in: frameHead(fBin, 1<<63), err: errLengthTopBit},
	{name: "all bits", in: frameHead(fBin, 1<<64-1), err: errLengthTopBit},
	{name: "5 in 16 bits", in: cat([]byte{fText}, lengthField(0x80, 2, 5), testMask[:], masked("hello")), err: errLengthLong},
	{name: "ping, 5 in 64 bits", in: cat([]byte{fPing}, lengthField(0x80, 8, 5), testMask[:], masked("hello")), err: errLengthLong},

	{name: "unmasked", in: []byte("\x81\x05hello"), err: errUnmasked},
	{name: "unmasked ping between", in: cat(frame(pText, "x"), []byte("\x89\x00")), err: errUnmasked},
	{name: "RSV1", in: cat(frame(fText, "good"), frame(zText, "bad")), want: "text(good)", err: errRSV},
	{name: "RSV2 with deflate", in: frame(0xa1, "bad"), err: errRSV, deflate: true},
	{name: "RSV1 and RSV3 with deflate", in: frame(0xd1, "bad"), err: errRSV, deflate: true},
	{name: "reserved opcode", in: cat(frame(fPing, "x"), frame(0x83, "")), want: "ping(x)", err: errOpCode},
	{name: "reserved control opcode", in: frame(0x8b, ""), err: errOpCode},
	{name: "ping over 125", in: frame(fPing, strings.Repeat("x", 126)), err: errControlLong},
	{name: "fragmented ping", in: cat(frame(0x09, "x"), frame(fCont, "y")), err: errControlFrag},
	{name: "continuation of nothing", in: frame(fCont, "x"), err: errContinuation},
	{name: "continuation after the end", in: cat(frame(pText, "a"), frame(fCont, "b"), frame(pCont, "c")), want: "text(ab)", err: errContinuation},
	{name: "text inside binary", in: cat(frame(pBin, "a"), frame(fText, "b")), err: errInterleaved},

	{name: "compressed", in: frame(zText, "\xff\xfe"), want: "text~(\xff\xfe)", deflate: true},
	{name: "compressed fragments", in: cat(frame(zPart, "\xff"), frame(fPing, ""), frame(fCont, "\xfe")), want: "ping() text~(\xff\xfe)", deflate: true},
	{name: "compressed and not, by turns", in: cat(frame(zBin, "\xff"), frame(fText, "a"), frame(zPart, "\xff"), frame(fCont, ""), frame(pText, "b"), frame(fCont, "c")),
		want: "binary~(\xff) text(a) text~(\xff) text(bc)", deflate: true},
	{name: "plain text after a compressed one is checked", in: cat(frame(zText, "\xff"), frame(fText, "\xff")), want: "text~(\xff)", err: ErrUTF8, deflate: true},
	{name: "RSV1 on a continuation", in: cat(frame(zPart, "\xff"), frame(0xc0, "\xfe")), err: errRSV, deflate: true},
	{name: "compressed ping", in: frame(0xc9, ""), err: errRSV, deflate: true},
	{name: "compressed and too big", in: frameHead(zText, 1001), err: ErrTooBig, deflate: true},
}

func (c wireCase) limits() Limits {
	l := testLimits
	l.Deflate = c.deflate
	return l
}

// text writes an event as the cases do; ~ stands for compressed.
func (ev Event) text() string {
	name := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpClose: "close", ws.OpPing: "ping", ws.OpPong: "pong"}[ev.Op]
	if ev.Compressed {
		name += "~"
	}
	return name + "(" + string(ev.Data) + ")"
}

// feed gives a decoder the pieces one after another, as a connection's turn
// does, and returns its events in one line.
func feed(lim Limits, pieces ...[]byte) (string, *Error) {
	var d Decoder
	var rest []byte
	var events []string
	for _, p := range pieces {
		rest = append(slices.Clone(rest), p...) // next writes into its input
		for {
			ev, n, err := d.Next(rest, lim)
			if err != nil {
				return strings.Join(events, " "), err
			}
			if n < 0 || n > len(rest) {
				panic(fmt.Sprintf("next has eaten %d of %d bytes", n, len(rest)))
			}
			rest = rest[n:]
			if ev.Op != 0 {
				events = append(events, ev.text())
			} else if n == 0 {
				break
			}
		}
		if d.op == 0 && len(rest) > 0 && len(rest) > maxHeaderLen+ws.MaxControlFramePayloadSize {
			panic("next leaves a whole frame lying")
		}
	}
	return strings.Join(events, " "), nil
}

// bytewise cuts b into its bytes.
func bytewise(b []byte) (pieces [][]byte) {
	for i := range b {
		pieces = append(pieces, b[i:i+1])
	}
	return pieces
}

func TestDecoder(t *testing.T) {
	for _, c := range wireCases {
		t.Run(c.name, func(t *testing.T) {
			check := func(how string, pieces ...[]byte) {
				t.Helper()
				got, err := feed(c.limits(), pieces...)
				if got != strings.TrimSpace(c.want) || err != c.err {
					t.Fatalf("%s: %q, %v; want %q, %v", how, got, err, c.want, c.err)
				}
			}
			check("whole", c.in)
			check("a byte at a time", bytewise(c.in)...)
			for i := range c.in {
				check(fmt.Sprint("cut at ", i), c.in[:i], c.in[i:])
			}
			check("and nothing", c.in, nil, nil)
			rapid.Check(t, func(rt *rapid.T) {
				var pieces [][]byte
				for b := c.in; len(b) > 0; {
					n := rapid.IntRange(1, min(len(b), 40)).Draw(rt, "piece")
					pieces, b = append(pieces, b[:n]), b[n:]
				}
				check("random pieces", pieces...)
			})
		})
	}
}

// Bad text fails at the very byte that makes it bad, wherever that comes.
func TestDecoderFailsFast(t *testing.T) {
	for _, tt := range []struct {
		bad string
		at  int // the byte that no continuation can mend
	}{
		{"\x80", 0}, {"\xc0", 0}, {"\xc1\xbf", 0}, {"\xf5", 0}, {"\xff", 0}, {"\xc3(", 1}, {"\xe0\x9f\xbf", 1}, {"\xed\xa0\x80", 1}, {"\xe2\x82(", 2},
		{"\xf0\x8f\xbf\xbf", 1}, {"\xf4\x90\x80\x80", 1}, {"\xf0\x9f\x98(", 3}, {"\xf0\x9f(", 2}, {"\u20ac\x80", 3}, {"\U0001f600\xbf", 4},
	} {
		for _, before := range []string{"", "x", "\u00e9", "\U0010ffff", strings.Repeat("much \u20ac ", 60)} {
			text := before + tt.bad + strings.Repeat(" and more", 30)
			good := len(before) + tt.at
			ways := map[string][]byte{
				"one frame":   frame(fText, text),
				"two":         cat(frame(pText, text[:good]), frame(fCont, text[good:])),
				"ping inside": cat(frame(pText, text[:good]), frame(fPing, "x"), frame(fCont, text[good:])),
			}
			for name, in := range ways {
				fails := len(in) - (len(text) - good) + 1 // so many bytes are enough, and needed
				if _, err := feed(testLimits, bytewise(in[:fails])...); err != ErrUTF8 {
					t.Errorf("%s, %q after %d bytes: %v at its first bad byte", name, tt.bad, len(before), err)
				}
				if _, err := feed(testLimits, bytewise(in[:fails-1])...); err != nil {
					t.Errorf("%s, %q after %d bytes: %v before its first bad byte", name, tt.bad, len(before), err)
				}
				if _, err := feed(testLimits, in[:fails]); err != ErrUTF8 {
					t.Errorf("%s, %q after %d bytes, at once: %v", name, tt.bad, len(before), err)
				}
			}
		}
	}
}
