package netpoll_test

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"webim/netpoll/wstest"
)

// Family 9: large messages, whole, in fragments and in chops, and many small
// ones after each other.

const kilo, mega = 1 << 10, 1 << 20

// pattern is text of n bytes in which a part out of place shows.
func pattern(n int) string { return allPatterns()[:n] }

var allPatterns = sync.OnceValue(func() string {
	b := make([]byte, 0, 17*mega)
	for i := 0; len(b) < 16*mega; i++ {
		b = append(strconv.AppendInt(b, int64(i), 10), ',')
	}
	return string(b)
})

func TestConformanceBig(t *testing.T) {
	everySetting(t, func(t *testing.T, addr string, capped bool) {
		sizes := []int{64 * kilo, 256 * kilo, mega, 4 * mega, 8 * mega, 16 * mega}
		whole, chopped, largest := 4*mega, mega, 16*mega
		switch {
		case capped && !wstest.Long():
			sizes, whole, chopped = sizes[:1], 16*kilo, 16*kilo // two system calls for six bytes
		case capped:
			sizes, whole = sizes[:3], mega
		case !wstest.Long():
			sizes, whole, chopped, largest = sizes[:3], 256*kilo, 64*kilo, 4*mega
		}
		if !capped {
			t.Run(fmt.Sprintf("9.1 %d bytes", largest), func(t *testing.T) {
				c := wstest.Connect(t, addr)
				go c.Conn.Write(wstest.Frame(text, pattern(largest)))
				c.Expect(text, pattern(largest))
				c.Leave()
			})
		}
		for kind, b0 := range []byte{text, bin} {
			for _, n := range sizes {
				t.Run(fmt.Sprintf("9.%d %d bytes", kind+1, n), func(t *testing.T) {
					m := pattern(n)
					c := wstest.Connect(t, addr)
					go c.Conn.Write(wstest.Frame(b0, m)) // the echo may begin before the end
					c.Expect(b0, m)
					c.Leave()
				})
			}
			for n := 64; n <= whole; n *= 4 {
				t.Run(fmt.Sprintf("9.%d fragments of %d", kind+3, n), func(t *testing.T) { bigFragments(t, addr, b0, whole, n) })
			}
			for n := 64; n <= 2048; n *= 2 {
				t.Run(fmt.Sprintf("9.%d chops of %d", kind+5, n), func(t *testing.T) {
					m := pattern(chopped)
					c := wstest.Connect(t, addr)
					c.SendPieces(wstest.Frame(b0, m), n)
					c.Expect(b0, m)
					c.Leave()
				})
			}
			for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
				t.Run(fmt.Sprintf("9.%d one by one, %d bytes", kind+7, n), func(t *testing.T) { oneByOne(t, addr, b0, n, capped) })
			}
		}
	})
}

func bigFragments(t *testing.T, addr string, b0 byte, size, n int) {
	m := pattern(size)
	var b bytes.Buffer
	for _, f := range fragmented(b0, m, n) {
		b.Write(wstest.Frame(f.b0, f.payload))
	}
	c := wstest.Connect(t, addr)
	c.SendBytes(b.Bytes())
	c.Expect(b0, m)
	c.Leave()
}

func oneByOne(t *testing.T, addr string, b0 byte, size int, capped bool) {
	count := 30
	switch {
	case !wstest.Long() && capped:
		count = 10
	case wstest.Long() && !capped:
		count = 1000
	case wstest.Long():
		count = 100
	}
	c := wstest.Connect(t, addr)
	m := pattern(size)
	for range count {
		c.Send(b0, m)
		c.Expect(b0, m)
	}
	// And all at once: the order is kept, and none is lost.
	var b bytes.Buffer
	for i := range count {
		b.Write(wstest.Frame(b0, fmt.Sprint(i, m)))
	}
	go c.Conn.Write(b.Bytes())
	for i := range count {
		c.Expect(b0, fmt.Sprint(i, m))
	}
	c.Leave()
}
