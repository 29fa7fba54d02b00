package netpoll_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

const offer = "Sec-WebSocket-Extensions: permessage-deflate"

// shredded is a message in fragments of n bytes, with a ping behind the first.
func shredded(b0 byte, payload string, n int) (b []byte) {
	for i, f := range fragmented(b0, payload, n) {
		if b = append(b, wstest.Frame(f.b0, f.payload)...); i == 0 {
			b = append(b, wstest.Frame(ping, "between")...)
		}
	}
	return b
}

// Each message is refused once or twice and comes again as it was, before what
// is behind it: wherever it lay (in the worker's scratch, in the decoder, in
// what it was inflated to), however it came, and whenever done is called.
func TestAgain(t *testing.T) {
	big := pattern(200_000)
	var stream []byte
	var want []string
	for i, m := range []string{"whole", "", strings.Repeat("m", 3000), big, "é", pattern(70_000), "last"} {
		stream = append(stream, wstest.Frame(text, m)...)
		stream = append(stream, shredded(text, m+"f", 1+len(m)/3)...)
		stream = append(stream, wstest.Frame(text|rsv1, deflated(t, 5, m+"z"))...)
		stream = append(stream, shredded(text|rsv1, deflated(t, 5, m+"zf"), 1+len(m)/5)...)
		want = append(want, m, m+"f", m+"z", m+"zf")
		stream = append(stream, wstest.Frame(ping, fmt.Sprint("behind ", i))...)
	}
	for _, piece := range []int{len(stream), 1000, 7001} {
		for name, call := range map[string]func(done func()){
			"at once":   func(done func()) { done() },
			"elsewhere": func(done func()) { go done() },
		} {
			t.Run(fmt.Sprintf("in pieces of %d, done %s", piece, name), func(t *testing.T) {
				var got []string // on the turn
				refusals, ended := 0, make(chan []string, 1)
				s, addr := start(t, netpoll.Config{Workers: 2}, &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
					if refusals++; refusals%5 == 1 || refusals%5 == 2 || refusals%5 == 4 {
						done := c.Again()
						call(done)
						call(done)
						return
					}
					got = append(got, string(data))
					clear(data) // which it may
					if len(got) == len(want) {
						ended <- slices.Clone(got)
					}
				}})
				c := wstest.Connect(t, addr, offer)
				go c.SendPieces(stream, piece)
				if got := receive(t, "the last message", ended); !slices.Equal(got, want) {
					for i := range got {
						if got[i] != want[i] {
							t.Errorf("message %d is %s, want %s", i, wstest.Brief(got[i]), wstest.Brief(want[i]))
						}
					}
				}
				st := s.Stats()
				if st.MessagesIn != int64(len(want)) {
					t.Errorf("%d messages are counted, want %d", st.MessagesIn, len(want))
				}
				pongs := 0
				for pongs < len(want)/4*3 {
					if b0, p, err := c.ReadFrame(); b0 != pong || err != nil {
						t.Fatalf("frame %02x %s, %v", b0, wstest.Brief(string(p)), err)
					}
					pongs++
				}
				wstest.Eventually(t, "nothing is unfinished", func() bool { return s.Stats().Unfinished == 0 })
				c.Leave()
			})
		}
	}
}

// refuser is a witness that refuses the message "not yet" until told.
type refuser struct {
	*witness
	dones chan func()
	calls atomic.Int32 // of Message with "not yet"
	taken atomic.Bool
}

func newRefuser() *refuser {
	r := &refuser{witness: newWitness(), dones: make(chan func(), 1000)}
	echo := r.OnMessage
	r.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) {
		if strings.HasPrefix(string(data), "not yet") {
			if r.calls.Add(1); !r.taken.Load() {
				r.dones <- c.Again()
				return
			}
		}
		echo(c, op, data)
	}
	return r
}

// No worker waits, nothing behind is decoded, and what is kept is counted,
// once, until it is delivered.
func TestAgainHolds(t *testing.T) {
	h := newRefuser()
	s, addr := start(t, netpoll.Config{Workers: 1}, h)
	held, other := wstest.Connect(t, addr), wstest.Connect(t, addr)
	m := "not yet" + pattern(100_000)
	held.SendBytes(append(shredded(text, m, 60_000), wstest.Frame(text, "behind")...))
	held.Expect(pong, "between")
	done := receive(t, "the message", h.dones)
	other.Send(text, "served")
	other.Expect(text, "served")
	if st := s.Stats(); st.MessagesIn != 2 || st.Unfinished < int64(len(m)) || st.Unfinished > int64(2*len(m)+200) {
		t.Errorf("while a message of %d bytes is kept, %d are counted and %d bytes unfinished", len(m), st.MessagesIn, st.Unfinished)
	}
	done() // and refused again
	done = receive(t, "the message, once more", h.dones)
	h.taken.Store(true)
	done()
	held.Expect(text, m)
	held.Expect(text, "behind")
	if n := h.calls.Load(); n != 3 {
		t.Errorf("Message was called %d times", n)
	}
	wstest.Eventually(t, "nothing is unfinished", func() bool { return s.Stats().Unfinished == 0 })
	held.Leave()
	other.Leave()
}

// A message that is kept waits for Resume and for every Later, too.
func TestAgainWithPauseAndLater(t *testing.T) {
	h := newRefuser()
	inner, later := h.OnMessage, make(chan func(), 1)
	h.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) {
		if inner(c, op, data); !h.taken.Load() {
			c.Pause()
			later <- c.Later()
		}
	}
	_, addr := start(t, netpoll.Config{Workers: 1}, h)
	held, other := wstest.Connect(t, addr), wstest.Connect(t, addr)
	conn := receive(t, "open", h.opened)
	held.SendBytes(append(wstest.Frame(text, "not yet"), wstest.Frame(text, "behind")...))
	again, release := receive(t, "the message", h.dones), receive(t, "later", later)
	h.taken.Store(true)
	for i, step := range []func(){again, conn.Resume, release} {
		if n := h.calls.Load(); n != 1 {
			t.Errorf("step %d: Message was called %d times", i, n)
		}
		step()
		// A turn that step led to is done when the one worker serves this.
		other.Send(text, "served")
		other.Expect(text, "served")
	}
	held.Expect(text, "not yet")
	held.Expect(text, "behind")
	held.Leave()
	other.Leave()
}

// Closing drops what is kept, and done is harmless then.
func TestAgainClosed(t *testing.T) {
	for _, doneFirst := range []bool{false, true} {
		h := newRefuser()
		s, addr := start(t, netpoll.Config{Workers: 1}, h)
		p := wstest.Connect(t, addr)
		conn := receive(t, "open", h.opened)
		p.SendBytes(append(wstest.Frame(text, "not yet"+pattern(1000)), wstest.Frame(text, "behind")...))
		done := receive(t, "the message", h.dones)
		conn.Close(4000, "enough")
		if doneFirst {
			done()
		}
		wstest.Eventually(t, "it is dropped", func() bool { return s.Stats().Unfinished == 0 })
		p.ExpectClose(4000)
		h.expect(t, netpoll.ServerClosed, 4000)
		done()
		if n := h.calls.Load(); n != 1 {
			t.Errorf("Message was called %d times", n)
		}
	}
}

// A panic closes, as any does: on the first try, behind Again, or on the second.
func TestAgainPanic(t *testing.T) {
	for _, at := range []int32{1, 2} {
		h := newWitness()
		calls := atomic.Int32{}
		h.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) {
			c.Again()()
			if calls.Add(1) == at {
				panic("told to")
			}
		}
		s, addr := start(t, netpoll.Config{}, h)
		p := wstest.Connect(t, addr)
		p.SendBytes(append(wstest.Frame(text, "a"), wstest.Frame(text, "b")...))
		p.ExpectClose(1011)
		h.expect(t, netpoll.HandlerPanic, 1011)
		if n := calls.Load(); n != at {
			t.Errorf("Message was called %d times, want %d", n, at)
		}
		wstest.Eventually(t, "one message is counted, and nothing kept", func() bool {
			st := s.Stats()
			return st.MessagesIn == 1 && st.Unfinished == 0
		})
	}
}

// Out of place it is Later: the next message is not kept for it.
func TestAgainOutOfPlace(t *testing.T) {
	h := newWitness()
	h.OnOpen = func(c netpoll.Conn, _ *netpoll.Request) { h.opened <- c; c.Again()() }
	_, addr := start(t, netpoll.Config{}, h)
	p := wstest.Connect(t, addr)
	p.Send(text, "one")
	p.Expect(text, "one")
	done := receive(t, "open", h.opened).Again()
	done()
	p.Send(text, "two")
	p.Expect(text, "two")
	p.Leave()
}

// What is kept counts in MaxUnfinished: it is held to the bound, and who held
// most is closed as out of memory.
func TestAgainBounded(t *testing.T) {
	const bound, size = 1 << 20, 100_000
	h := newRefuser()
	s, addr := start(t, netpoll.Config{MaxUnfinished: bound}, h)
	m := wstest.Frame(text, "not yet"+pattern(size))
	for range 2 * bound / size {
		wstest.Connect(t, addr).SendBytes(m)
		if n := s.Stats().Unfinished; n > bound+2*size {
			t.Fatalf("%d bytes are kept, bound %d", n, bound)
		}
	}
	h.expect(t, netpoll.OutOfMemory, 1013)
	wstest.Eventually(t, "there is some room", func() bool { return s.Stats().Unfinished <= bound/8*7 })
}

// MessageTimeout is for what the client has not sent, not for what we keep.
func TestAgainIsNotUnfinished(t *testing.T) {
	h := newRefuser()
	_, addr := start(t, netpoll.Config{MessageTimeout: time.Second}, h)
	p := wstest.Connect(t, addr)
	conn := receive(t, "open", h.opened)
	b := wstest.Frame(text, "behind")
	p.SendBytes(shredded(text, "not yet", 3))
	p.Expect(pong, "between")
	done := receive(t, "the message", h.dones)
	p.SendBytes(b[:len(b)-1])
	for range 2 { // each waits as long as the timeout is
		late := wstest.Connect(t, addr)
		late.SendBytes(wstest.Frame(0x01, "half a message"))
		late.ExpectClose(1008)
		h.expect(t, netpoll.Unfinished, 1008)
	}
	if !conn.Exists() {
		t.Fatal("closed while its message was kept")
	}
	h.taken.Store(true)
	done()
	p.Expect(text, "not yet")
	p.SendBytes(b[len(b)-1:])
	p.Expect(text, "behind")
	p.Leave()
}

// It is the same over TLS, where more may be waiting in records.
func TestAgainTLS(t *testing.T) {
	const messages = 50
	w := newWitness()
	echo, calls := w.OnMessage, 0
	w.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) {
		if calls++; calls%2 == 1 {
			go c.Again()()
			return
		}
		echo(c, op, data)
	}
	s, _ := start(t, netpoll.Config{}, w)
	p := wstest.ConnectTLS(t, secure(t, s), true)
	message := func(i int) string { return fmt.Sprint(i, pattern(1000*i)) }
	var b []byte
	for i := range messages {
		b = append(b, wstest.Frame(text, message(i))...)
	}
	go p.TrySend(b)
	for i := range messages {
		p.Expect(text, message(i))
	}
	p.TrySend(wstest.Frame(closeOp, wstest.ClosePayload(1000, "")))
	w.expect(t, netpoll.ClientClosed, 1000)
}
