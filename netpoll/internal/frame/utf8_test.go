package frame

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// utf8Prefixes are all proper heads of all sequences.
var utf8Prefixes = func() map[string]bool {
	m := map[string]bool{}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if s := string(r); utf8.ValidRune(r) {
			for i := 1; i < len(s); i++ {
				m[s[:i]] = true
			}
		}
	}
	return m
}()

// naivePrefix is validPrefix, a sequence at a time.
func naivePrefix(p []byte) (n int, ok bool) {
	for n < len(p) {
		r, size := utf8.DecodeRune(p[n:])
		if r == utf8.RuneError && size == 1 {
			return n, utf8Prefixes[string(p[n:])]
		}
		n += size
	}
	return n, true
}

func checkPrefix(t interface{ Fatalf(string, ...any) }, p []byte) {
	n, ok := validPrefix(p)
	if wantN, wantOK := naivePrefix(p); ok != wantOK || ok && n != wantN {
		t.Fatalf("validPrefix(%x) = %d, %v; want %d, %v", p, n, ok, wantN, wantOK)
	}
}

func TestValidPrefixShort(t *testing.T) {
	checkPrefix(t, nil)
	// The third byte runs over all that differ, or over all.
	third := []byte{0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}
	if longTest() {
		third = nil
		for c := range 256 {
			third = append(third, byte(c))
		}
	}
	for a := range 256 {
		checkPrefix(t, []byte{byte(a)})
		for b := range 256 {
			checkPrefix(t, []byte{byte(a), byte(b)})
			for _, c := range third {
				checkPrefix(t, []byte{byte(a), byte(b), c})
			}
		}
	}
}

func TestValidPrefixRandom(t *testing.T) {
	piece := rapid.OneOf(rapid.StringN(0, 6, -1), rapid.SampledFrom([]string{"\xf0\x90\x80", "\xe2\x82", "\xc3", "\x80", "\xf4\x90", "\xed\xa0", "\xef\xbf\xbf", "\U0010ffff", "\xff"}))
	rapid.Check(t, func(t *rapid.T) {
		var p []byte
		for _, s := range rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces") {
			p = append(p, s...)
		}
		checkPrefix(t, p[:rapid.IntRange(0, len(p)).Draw(t, "cut")])
	})
}
