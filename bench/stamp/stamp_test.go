package stamp

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

func TestStampIsTextAndComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint32().Draw(t, "v")
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], Letters(v))
		for _, c := range b {
			if c < 'a' || c > 'p' {
				t.Fatalf("%q", b)
			}
		}
		if got := Number(Letters(v)); got != v {
			t.Fatalf("%d became %d", v, got)
		}
	})
}
