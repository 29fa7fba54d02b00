package netpoll_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// Threats in how the bytes of a handshake come: too many, too slowly, with
// frames right behind.

// headOf is an upgrade's head of exactly so many bytes and header lines.
func headOf(size, fields int) []byte {
	var more []string
	for len(more) < fields-5 {
		more = append(more, fmt.Sprintf("X-%d: 1", len(more)))
	}
	if pad := size - len(wstest.Upgrade(more...)); pad > 0 {
		more[0] += strings.Repeat("1", pad)
	}
	return wstest.Upgrade(more...)
}

func TestThreatLargeHead(t *testing.T) {
	_, addr := start(t, netpoll.Config{}, echo())
	for _, tt := range []struct {
		name   string
		head   []byte
		status int
	}{
		{"16384 bytes", headOf(16384, 10), 101},
		{"16385 bytes", headOf(16385, 10), 431},
		{"64 lines", headOf(0, 64), 101},
		{"65 lines", headOf(0, 65), 431},
		{"a line without end", []byte("GET /" + strings.Repeat("x", 17_000)), 431},
		{"lines without end", bytes.Repeat([]byte("GET: /\r\n"), 70), 431},
	} {
		for _, chop := range []int{1 << 20, 1, 100} {
			t.Run(fmt.Sprintf("%s in pieces of %d", tt.name, chop), func(t *testing.T) {
				c := wstest.Dial(t, addr)
				done := make(chan struct{})
				go func() {
					defer close(done)
					for b := tt.head; len(b) > 0; b = b[min(chop, len(b)):] {
						if _, err := c.Conn.Write(b[:min(chop, len(b))]); err != nil {
							return
						}
					}
				}()
				if r := c.Response(); r.StatusCode != tt.status {
					t.Errorf("%s, want %d", r.Status, tt.status)
				}
				<-done
				if tt.status == 101 {
					c.Send(text, "through")
					c.Expect(text, "through")
					c.Leave()
				} else {
					c.ExpectEOF()
				}
				c.Conn.Close()
			})
		}
	}
}

// One deadline for the whole handshake, whatever trickles in.
func TestThreatSlowloris(t *testing.T) {
	s, addr := start(t, netpoll.Config{HandshakeTimeout: 300 * time.Millisecond}, echo())
	head := wstest.Upgrade()
	var slow []*wstest.Client
	for _, first := range []string{"", "G", string(head[:len(head)-1])} {
		c := wstest.Dial(t, addr)
		c.SendBytes([]byte(first))
		slow = append(slow, c)
	}
	trickle := wstest.Dial(t, addr)
	trickle.ResetDeadline()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	trickle.SendBytes([]byte("GET / HTTP/1.1\r\nX: "))
	for {
		<-tick.C
		if _, err := trickle.Conn.Write([]byte("x")); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the slow head is still read")
		} else if err != nil {
			break
		}
	}
	for i, c := range slow {
		c.ResetDeadline()
		if _, err := io.Copy(io.Discard, c.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("client %d is still connected", i)
		}
	}
	wstest.Eventually(t, "all four are counted", func() bool { return s.Stats().Closed[netpoll.HandshakeTimeout] == 4 })
}

// Frames behind the handshake are not lost, however the bytes come.
func TestThreatPipelined(t *testing.T) {
	_, addr := start(t, netpoll.Config{}, echo())
	head := wstest.Upgrade()
	b := append(append(append(bytes.Clone(head), wstest.Frame(text, "one")...), wstest.Frame(ping, "two")...), wstest.Frame(bin, "three")...)
	check := func(how string, pieces ...[]byte) {
		c := wstest.Dial(t, addr)
		for _, p := range pieces {
			c.SendBytes(p)
		}
		if r := c.Response(); r.StatusCode != 101 {
			t.Fatalf("%s: %s", how, r.Status)
		}
		// A pong may overtake what is queued, but not what was sent.
		got := map[string]bool{}
		for range 3 {
			b0, p, err := c.ReadFrame()
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			got[fmt.Sprintf("%02x %s", b0, p)] = true
		}
		if !got["81 one"] || !got["8a two"] || !got["82 three"] {
			t.Fatalf("%s: %v", how, got)
		}
		c.Leave()
	}
	check("at once", b)
	for cut := len(head) - 5; cut < len(b); cut++ {
		check(fmt.Sprint("cut at ", cut), b[:cut], b[cut:])
	}
	large := pattern(300 << 10)
	c := wstest.Dial(t, addr)
	go c.Conn.Write(append(append(bytes.Clone(head), wstest.Frame(text, large)...), wstest.Frame(text, "behind")...))
	if r := c.Response(); r.StatusCode != 101 {
		t.Fatal(r.Status)
	}
	c.Expect(text, large)
	c.Expect(text, "behind")
	c.Leave()
	// An upgrade on a connection kept alive, frames right behind it.
	c = wstest.Dial(t, addr)
	c.SendBytes([]byte(lines("GET /nothing HTTP/1.1", "Host: localhost")))
	if r := c.Response(); r.StatusCode != 404 || r.Close {
		t.Fatalf("%s, close %v", r.Status, r.Close)
	}
	c.SendBytes(b)
	if r := c.Response(); r.StatusCode != 101 {
		t.Fatal(r.Status)
	}
	c.Expect(text, "one")
	c.Expect(pong, "two")
	c.Expect(bin, "three")
	c.Leave()
	// The same with a body that a proxy may have let through.
	c = wstest.Dial(t, addr)
	c.SendBytes([]byte(lines("GET /nothing HTTP/1.1", "Host: localhost")))
	c.Response()
	c.SendBytes([]byte(strings.Replace(string(head), "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1) + "0\r\n\r\n"))
	if r := c.Response(); r.StatusCode != 400 {
		t.Errorf("an upgrade with a chunked body: %s, want 400", r.Status)
	}
}
