package netpoll_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// A message that the handler puts off comes again, before what is behind it,
// however it came and however often; each is echoed once, in order.
func TestAgain(t *testing.T) {
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			var tries atomic.Int64
			var first string // of the calls, which come one at a time
			h := &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
				if n := tries.Add(1); n%3 != 0 {
					if n%3 == 1 {
						first = string(data)
					}
					done := c.Again()
					if n%2 == 0 {
						done() // at once
					} else {
						go done()
					}
					data[0] ^= 0xff // it is ours until we return
					return
				}
				if string(data) != first {
					t.Errorf("the third time %s came, the first time %s", brief(string(data)), brief(first))
				}
				c.Push(op, data)
			}}
			s, addr := start(t, netpoll.Config{}, h)
			if secured {
				addr = secure(t, s)
			}
			p := dialPeer(t, addr, secured)
			p.say(upgrade("Sec-WebSocket-Extensions: permessage-deflate"))
			if r := p.response(); r.StatusCode != 101 {
				t.Fatal(r.Status)
			}
			large := strings.Repeat("large ", 30_000)
			var all []byte
			var want []string
			add := func(text string, frames ...[]byte) {
				want = append(want, text)
				for _, f := range frames {
					all = append(all, f...)
				}
			}
			for i := range 20 {
				small := fmt.Sprint("message ", i)
				add(small, frame(text, small))
				add("in pieces", frame(partText, "in "), frame(partCont, "pie"), frame(0x80, "ces"))
				add(large, frame(text, large))
				add("hello", frame(0xc1, "\xcaH\xcd\xc9\xc9\x07\x00")) // compressed
			}
			go p.say(all)
			for i, w := range want {
				b0, got, err := p.readFrame()
				if b0 == 0xc1 { // compressed, for it is large
					var plain string
					plain, err = inflated(got)
					got = []byte(plain)
				}
				if err != nil || string(got) != w {
					t.Fatalf("message %d is %s, %v; want %s", i, brief(string(got)), err, brief(w))
				}
			}
			if st := s.Stats(); st.MessagesIn != int64(len(want)) || tries.Load() != 3*int64(len(want)) || st.Unfinished != 0 {
				t.Errorf("%d messages in, %d tries, %d bytes unfinished", st.MessagesIn, tries.Load(), st.Unfinished)
			}
			p.c.Close()
		})
	}
}

// What is put off counts as unfinished input, and a close lets go of it.
func TestAgainIsCounted(t *testing.T) {
	const size, bound = 100_000, 1 << 20
	w := newWitness()
	w.OnMessage = func(c netpoll.Conn, _ ws.OpCode, _ []byte) { c.Again() } // and never done
	s, addr := start(t, netpoll.Config{MaxUnfinished: bound}, w)
	var conns []netpoll.Conn
	for range 20 {
		c := connect(t, addr)
		conns = append(conns, receive(t, "open", w.opened))
		c.write(frame(bin, strings.Repeat("x", size)))
	}
	eventually(t, "the bound holds", func() bool {
		n := s.Stats().Unfinished
		return n <= bound/8*7 && n >= bound/2 && s.Stats().Open <= bound/size
	})
	for _, c := range conns {
		_ = c.Close(1000, "")
	}
	eventually(t, "nothing is held", func() bool { return s.Stats().Unfinished == 0 })
}

// A panic on the second try closes the connection as any other does.
func TestAgainPanics(t *testing.T) {
	w := newWitness()
	tries := 0
	w.OnMessage = func(c netpoll.Conn, _ ws.OpCode, _ []byte) {
		if tries++; tries == 2 {
			panic("told to")
		}
		c.Again()()
	}
	_, addr := start(t, netpoll.Config{}, w)
	c := connect(t, addr)
	c.send(text, "hello")
	c.expectClose(1011)
	w.expect(t, netpoll.HandlerPanic, 1011)
}
