package frame

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// bits makes bytes of a picture: digits are bits, the rest is for the eye.
func bits(picture string) []byte {
	var b []byte
	n := 0
	for _, c := range picture {
		if c != '0' && c != '1' {
			continue
		}
		if n%8 == 0 {
			b = append(b, 0)
		}
		b[n/8] = b[n/8]<<1 | byte(c-'0')
		n++
	}
	if n%8 != 0 {
		panic("picture has half a byte: " + picture)
	}
	return b
}

const aMask = " 11011110 10101101 10111110 11101111" // de ad be ef

func TestParseHeader(t *testing.T) {
	mask := [4]byte{0xde, 0xad, 0xbe, 0xef}
	for _, tt := range []struct {
		picture string // FRRR op   M length
		want    ws.Header
	}{
		{"1 000 0001 0 0000000", ws.Header{Fin: true, OpCode: ws.OpText}},
		{"0 000 0001 1 0000101" + aMask, ws.Header{OpCode: ws.OpText, Masked: true, Mask: mask, Length: 5}},
		{"1 000 0000 1 0000001" + aMask, ws.Header{Fin: true, OpCode: ws.OpContinuation, Masked: true, Mask: mask, Length: 1}},
		{"1 100 0010 1 1111101" + aMask, ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpBinary, Masked: true, Mask: mask, Length: 125}},
		{"1 010 1000 1 0000010" + aMask, ws.Header{Fin: true, Rsv: 2, OpCode: ws.OpClose, Masked: true, Mask: mask, Length: 2}},
		{"1 001 1001 1 0000000" + aMask, ws.Header{Fin: true, Rsv: 1, OpCode: ws.OpPing, Masked: true, Mask: mask}},
		{"1 111 1111 1 0000000" + aMask, ws.Header{Fin: true, Rsv: 7, OpCode: 15, Masked: true, Mask: mask}},
		{"1 000 0010 1 1111110 00000000 01111110" + aMask, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Mask: mask, Length: 126}},
		{"1 000 0010 0 1111110 11111111 11111111", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 65535}},
		{"1 000 0010 1 1111111" + " 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000" + aMask,
			ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Mask: mask, Length: 65536}},
		{"1 000 0010 1 1111111" + " 01111111 11111111 11111111 11111111 11111111 11111111 11111111 11111111" + aMask,
			ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Mask: mask, Length: 1<<63 - 1}},
	} {
		b := bits(tt.picture)
		checkParse(t, b, tt.want)
		if h, err := ws.ReadHeader(bytes.NewReader(b)); err != nil || h != tt.want {
			t.Errorf("the oracle reads %x as %+v, %v", b, h, err)
		}
	}
}

// checkParse parses b alone, with more behind it, and every shorter head of it.
func checkParse(t *testing.T, b []byte, want ws.Header) {
	t.Helper()
	for _, in := range [][]byte{b, slices.Concat(b, []byte("more behind it"))} {
		if h, n, err := parseHeader(in); h != want || n != len(b) || err != nil {
			t.Errorf("parseHeader(%x) = %+v, %d, %v; want %+v, %d", in, h, n, err, want, len(b))
		}
	}
	for i := range b {
		if _, n, err := parseHeader(b[:i]); n != 0 || err != nil {
			t.Errorf("parseHeader(%x), cut short, = %d, %v; want 0, nil", b[:i], n, err)
		}
	}
}

// lengthField is the payload length in 0, 2 or 8 bytes behind the first 7 bits.
func lengthField(masked byte, size int, length uint64) []byte {
	switch size {
	case 0:
		return []byte{masked | byte(length)}
	case 2:
		return binary.BigEndian.AppendUint16([]byte{masked | 126}, uint16(length))
	}
	return binary.BigEndian.AppendUint64([]byte{masked | 127}, length)
}

// Every boundary in every size of the length field: only the shortest is good.
func TestParseHeaderLength(t *testing.T) {
	for _, length := range []uint64{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 1<<31 - 1, 1 << 31, 1 << 32, 1<<63 - 1, 1 << 63, 1<<63 + 5, 1<<64 - 1} {
		for _, masked := range []byte{0, 0x80} {
			for _, size := range []int{0, 2, 8} {
				if size == 0 && length > 125 || size == 2 && length > 65535 {
					continue
				}
				b := append([]byte{0x82}, lengthField(masked, size, length)...)
				whole := b
				if masked != 0 {
					whole = append(b[:len(b):len(b)], 1, 2, 3, 4)
				}
				var want *Error
				switch {
				case length >= 1<<63:
					want = errLengthTopBit
				case size == 2 && length < 126, size == 8 && length < 65536:
					want = errLengthLong
				}
				if want == nil {
					h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(length)}
					if masked != 0 {
						h.Masked, h.Mask = true, [4]byte{1, 2, 3, 4}
					}
					checkParse(t, whole, h)
					continue
				}
				for _, in := range [][]byte{b, whole} { // it needs no mask to be wrong
					if _, n, err := parseHeader(in); err != want || n != 0 {
						t.Errorf("length %d in %d bytes: %d, %v; want %v", length, size, n, err, want)
					}
				}
				for i := range b {
					if _, n, err := parseHeader(b[:i]); n != 0 || err != nil {
						t.Errorf("parseHeader(%x), cut short, = %d, %v; want 0, nil", b[:i], n, err)
					}
				}
			}
		}
	}
}

// TestCheckHeader compares checkHeader with a second statement of the rules of RFC 6455 and RFC 7692,
// for every combination of bits.
func TestCheckHeader(t *testing.T) {
	bools := []bool{false, true}
	for b0 := range 256 {
		for _, masked := range bools {
			for _, fragmented := range bools {
				for _, deflate := range bools {
					for _, length := range []int64{0, 1, 125, 126, 65536, 1<<63 - 1} {
						fin, rsv, op := b0>>7 == 1, byte(b0>>4&7), ws.OpCode(b0&15)
						h := ws.Header{Fin: fin, Rsv: rsv, OpCode: op, Masked: masked, Length: length}
						var ok bool
						switch op {
						case ws.OpContinuation:
							ok = fragmented && rsv == 0
						case ws.OpText, ws.OpBinary:
							ok = !fragmented && (rsv == 0 || rsv == 4 && deflate)
						case ws.OpClose, ws.OpPing, ws.OpPong:
							ok = fin && rsv == 0 && length <= 125
						}
						ok = ok && masked
						err := checkHeader(h, fragmented, deflate)
						if ok != (err == nil) || err != nil && (err.Code != 1002) {
							t.Fatalf("checkHeader(%+v, fragmented %v, deflate %v) = %v", h, fragmented, deflate, err)
						}
						state := ws.StateServerSide
						if fragmented {
							state = state.Set(ws.StateFragmented)
						}
						if deflate {
							state = state.Set(ws.StateExtended)
						}
						if ok && ws.CheckHeader(h, state) != nil {
							t.Fatalf("ws.CheckHeader refuses %+v", h)
						}
					}
				}
			}
		}
	}
}

// TestCheckHeaderReason checks the reason that a client gets for each kind of wrong header.
func TestCheckHeaderReason(t *testing.T) {
	for _, tt := range []struct {
		picture    string
		fragmented bool
		want       *Error
	}{
		{"1 000 0011 1 0000000" + aMask, false, errOpCode},
		{"1 000 1011 1 0000000" + aMask, false, errOpCode},
		{"1 010 0001 1 0000000" + aMask, false, errRSV},
		{"1 100 0001 1 0000000" + aMask, false, errRSV},
		{"1 000 0001 0 0000000", false, errUnmasked},
		{"0 000 1001 1 0000000" + aMask, false, errControlFrag},
		{"1 000 1001 1 1111110 00000000 01111110" + aMask, false, errControlLong},
		{"1 000 0000 1 0000000" + aMask, false, errContinuation},
		{"1 000 0001 1 0000000" + aMask, true, errInterleaved},
	} {
		h, _, _ := parseHeader(bits(tt.picture))
		if err := checkHeader(h, tt.fragmented, false); err != tt.want {
			t.Errorf("%s: %v, want %v", tt.picture, err, tt.want)
		}
	}
}

func TestCheckClose(t *testing.T) {
	allowed := map[int]bool{1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true,
		1010: true, 1011: true, 1012: true, 1013: true, 1014: true}
	for c := 3000; c <= 4999; c++ {
		allowed[c] = true
	}
	for c := range 1 << 16 {
		if got := Sendable(ws.StatusCode(c)); got != allowed[c] {
			t.Errorf("Sendable(%d) = %v", c, got)
		}
		code, reason, err := ParseClose(append([]byte{byte(c >> 8), byte(c)}, "bye"...))
		if allowed[c] && (int(code) != c || string(reason) != "bye" || err != nil) || !allowed[c] && err != errCloseCode {
			t.Errorf("code %d: %d, %q, %v", c, code, reason, err)
		}
	}
	for _, tt := range []struct {
		payload string
		code    ws.StatusCode
		reason  string
		err     *Error
	}{
		{"", ws.StatusNoStatusRcvd, "", nil},
		{"\x03", 0, "", errCloseLength},
		{"\x03\xe8", 1000, "", nil},
		{"\x03\xe8κόσμε", 1000, "κόσμε", nil},
		{"\x03\xe8\xce\xba\xe1\xbd", 0, "", errCloseUTF8}, // ends inside a sequence
		{"\x03\xe8\xed\xa0\x80", 0, "", errCloseUTF8},     // a surrogate
		{"\x03\xe8\x00\x1f", 1000, "\x00\x1f", nil},
	} {
		code, reason, err := ParseClose([]byte(tt.payload))
		if code != tt.code || string(reason) != tt.reason || err != tt.err {
			t.Errorf("ParseClose(%q) = %d, %q, %v", tt.payload, code, reason, err)
		}
	}
}

// Our header, read by the oracle as it is; then with a client's mask put in,
// by both.
func TestHeaderRoundTrip(t *testing.T) {
	length := rapid.OneOf(rapid.SampledFrom([]int{0, 1, 125, 126, 127, 65535, 65536, 1 << 31, 1<<63 - 1}), rapid.IntRange(0, 1<<63-1), rapid.IntRange(0, 70000))
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]ws.OpCode{ws.OpText, ws.OpBinary, ws.OpClose, ws.OpPing, ws.OpPong}).Draw(t, "op")
		compressed, n := rapid.Bool().Draw(t, "compressed"), length.Draw(t, "length")
		b := AppendHeader([]byte("before"), op, compressed, n)
		if string(b[:6]) != "before" || len(b)-6 != HeaderLen(n) {
			t.Fatalf("%x: HeaderLen(%d) = %d", b, n, HeaderLen(n))
		}
		b = b[6:]
		want := ws.Header{Fin: true, OpCode: op, Length: int64(n)}
		if compressed {
			want.Rsv = ws.Rsv(true, false, false)
		}
		if h, err := ws.ReadHeader(bytes.NewReader(b)); h != want || err != nil || len(b) != ws.HeaderSize(want) {
			t.Fatalf("%x is read as %+v, %v; want %+v", b, h, err, want)
		}
		want.Masked, want.Mask = true, [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "mask"))
		b[1] |= 0x80
		b = append(b, want.Mask[:]...)
		if oracle, err := ws.ReadHeader(bytes.NewReader(b)); oracle != want || err != nil {
			t.Fatalf("the oracle reads %x as %+v, %v", b, oracle, err)
		}
		if h, hn, err := parseHeader(b); h != want || hn != len(b) || err != nil {
			t.Fatalf("%x is parsed as %+v, %d, %v; want %+v", b, h, hn, err, want)
		}
	})
}
