package room

import (
	"io"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// echo sends a frame and reads what comes back, n bytes.
func echo(t testing.TB, c *client, frame []byte, n int) (once func()) {
	buf := make([]byte, n)
	return func() {
		if _, err := c.c.Write(frame); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c.br, buf); err != nil {
			t.Error(err)
		}
	}
}

// masked is a frame as a client sends it.
func masked(op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, true, payload)))
}

// TestPlainMessageAllocatesNothing: from read to write, history and rates included, a
// message of the plain dialect leaves no garbage.
func TestPlainMessageAllocatesNothing(t *testing.T) {
	for _, ext := range []string{noDeflate, deflate} {
		n := start(t, Config{Anonymous: true, Rates: Rates{Send: Rate{N: 1 << 30, Per: patience}}, Options: Patterns{
			{"*", Options{History: Retention{100, 1 << 20, patience}, Rights: OpenRights()}}}.Options}, netpoll.Config{})
		c := n.join("/r", ext)
		text := make([]byte, 60)
		for i := range text {
			text[i] = 'a' + byte(i%26)
		}
		once := echo(t, c, masked(ws.OpText, text), 2+len(text))
		for range 300 { // until the history is full
			once()
		}
		if got := testing.AllocsPerRun(300, once); got > 0 && pools {
			t.Errorf("with %q: %v allocations a message", ext, got)
		}
	}
}
