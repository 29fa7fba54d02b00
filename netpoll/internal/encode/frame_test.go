package encode

import (
	"bytes"
	"strings"
	"testing"

	"webim/netpoll/internal/frame"

	"github.com/gobwas/ws"
)

// payloadOf reads a frame back.
func payloadOf(t *testing.T, b []byte) (payload string, compressed bool) {
	t.Helper()
	r := bytes.NewReader(b)
	h, err := ws.ReadHeader(r)
	if err != nil || h.OpCode != ws.OpText || !h.Fin || int64(r.Len()) != h.Length {
		t.Fatalf("% x is no whole frame: %+v, %v", b[:min(len(b), 10)], h, err)
	}
	data := b[len(b)-r.Len():]
	if compressed = h.Rsv1(); compressed {
		out, bad := frame.Inflate(nil, data, 1<<20)
		if bad != nil {
			t.Fatal(bad)
		}
		data = out
	}
	return string(data), compressed
}

// TestFrame checks the variants of a message: it is compressed if that is worth it, once, and One makes the
// same bytes.
func TestFrame(t *testing.T) {
	for name, c := range map[string]struct {
		text       string
		compressed bool
	}{
		"small":       {"a message", false},
		"large":       {strings.Repeat("a message ", 100), true},
		"not smaller": {"abcdefghijklmnopqrstuvwxyz0123456789", false},
	} {
		t.Run(name, func(t *testing.T) {
			var f Frame
			data := []byte(c.text)
			f.Init(ws.OpText, data)
			clear(data) // it may be reused
			for v := Plain; v < numVariants; v++ {
				b := f.Variant(v, 32)
				text, compressed := payloadOf(t, b.B)
				if text != c.text || compressed != (c.compressed && v != Plain) {
					t.Errorf("variant %d: compressed %v, %q", v, compressed, text)
				}
				if f.Variant(v, 32) != b {
					t.Errorf("variant %d is made twice", v)
				}
				one := One(ws.OpText, []byte(c.text), v, 32)
				if !bytes.Equal(one.B, b.B) {
					t.Errorf("variant %d: One makes % x, and Frame % x", v, one.B, b.B)
				}
				one.Leave()
			}
			if b := f.Variant(Deflate, 1<<20); &b.B[0] != &f.plain.B[0] {
				t.Error("a message below the minimum is not plain")
			}
		})
	}
}
