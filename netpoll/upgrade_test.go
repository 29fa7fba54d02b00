package netpoll

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// What is written first stays first, even if the socket takes none of it and a
// pong is owed meanwhile, which goes before all that is whole.
func TestWriteFirst(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, end := join(t, s, 4096)
	r := c.r
	full := 0
	for junk := make([]byte, 4096); ; {
		n, err := unix.Write(int(r.fd), junk)
		if err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		full += n
	}
	r.mu.Lock()
	r.w |= wBit
	r.mu.Unlock()
	s.writeFirst(r, []byte("the answer"))
	s.pong(&worker{s: s}, r, []byte("pong"))
	if n := lag(c); n == 0 {
		t.Fatal("nothing waits")
	}
	got := make([]byte, full+len("the answer")+6)
	if _, err := io.ReadFull(end, got); err != nil {
		t.Fatal(err)
	}
	if got = got[full:]; !bytes.Equal(got, []byte("the answer\x8a\x04pong")) {
		t.Errorf("%q", got)
	}
	end.Close()
}
