package netpoll_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// metered echoes, and adds up the cost of what it echoes.
type metered struct {
	netpoll.Funcs
	mu    sync.Mutex
	sum   netpoll.Cost
	treat func(c netpoll.Conn, cost netpoll.Cost) netpoll.Treatment // under mu
}

// Spend implements netpoll.Meter.
func (m *metered) Spend(c netpoll.Conn, cost netpoll.Cost) (v netpoll.Treatment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.Bytes += cost.Bytes
	m.sum.Inflated += cost.Inflated
	m.sum.Frames += cost.Frames
	m.sum.Controls += cost.Controls
	if m.treat != nil {
		v = m.treat(c, cost)
	}
	return v
}

func (m *metered) cost() netpoll.Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}

func newMetered() *metered {
	return &metered{Funcs: netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { _ = c.Push(op, data[:min(len(data), 8)]) }}}
}

// fragments makes a message of several frames.
func fragments(b0 byte, parts ...string) (b []byte) {
	for i, part := range parts {
		first := b0 &^ 0x80
		if i > 0 {
			first = 0
		}
		if i == len(parts)-1 {
			first |= 0x80
		}
		b = append(b, wstest.Frame(first, part)...)
	}
	return b
}

// Every byte, frame and inflated byte of the input is told, however it is cut.
func TestCostIsTold(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	bomb := deflated(t, 9, strings.Repeat("y", 1<<20))
	for _, c := range []struct {
		name   string
		stream []byte
		want   netpoll.Cost
		echo   string
	}{
		{"a message", wstest.Frame(0x81, "hello"), netpoll.Cost{Bytes: 11, Frames: 1}, "hello"},
		{"a long one", wstest.Frame(0x82, long), netpoll.Cost{Bytes: len(long) + 14, Frames: 2}, long[:8]},
		{"a bomb", wstest.Frame(0xc1, bomb), netpoll.Cost{Bytes: len(bomb) + 8, Inflated: 1 << 20, Frames: 1}, "yyyyyyyy"},
		{"fragments", fragments(0x81, "a", "", "", "b"), netpoll.Cost{Bytes: 4*6 + 2, Frames: 4}, "ab"},
		{"pings, and pongs that nobody asked for", append(append(wstest.Frame(0x89, "x"), wstest.Frame(0x8a, "yy")...), wstest.Frame(0x81, "z")...),
			netpoll.Cost{Bytes: 7 + 8 + 7, Frames: 3, Controls: 2}, ""},
	} {
		for _, piece := range []int{len(c.stream), 1 + len(c.stream)/50, 3} {
			if len(c.stream)/piece > 5000 {
				continue
			}
			m := newMetered()
			_, addr := start(t, netpoll.Config{}, m)
			cl := wstest.Connect(t, addr, offer)
			cl.SendPieces(c.stream, piece)
			if c.echo == "" {
				cl.Expect(0x8a, "x")
				c.echo = "z"
			}
			if b0, p, err := cl.ReadFrame(); err != nil || string(p) != c.echo {
				t.Fatalf("got frame %02x %s, %v; want %q", b0, wstest.Brief(string(p)), err, c.echo)
			}
			cl.Leave()
			got := m.cost()
			got.Bytes -= len(wstest.Frame(0x88, wstest.ClosePayload(1000, "")))
			got.Frames--
			if least := c.want.Frames; got.Frames >= least && piece < len(c.stream) || c.name == "a long one" {
				got.Frames = least // pieces count, and how they come the kernel decides
			}
			if got != c.want {
				t.Errorf("%s in pieces of %d: %+v, want %+v", c.name, piece, got, c.want)
			}
			if c.echo == "z" {
				c.echo = ""
			}
		}
	}
}

// The pongs of an idle client are never metered: neither is it pinged for less
// because somebody counts.
func TestAnsweredPingCostsNothing(t *testing.T) {
	m := newMetered()
	_, addr := start(t, netpoll.Config{PingInterval: 100 * time.Millisecond}, m)
	c := wstest.Connect(t, addr)
	for range 3 {
		b0, p, err := c.ReadFrame()
		if err != nil || b0 != 0x89 {
			t.Fatalf("frame %02x, %v; want a ping", b0, err)
		}
		c.Send(0x8a, string(p))
	}
	c.Expect(0x89, "")
	if got := m.cost(); got != (netpoll.Cost{}) {
		t.Errorf("three pongs cost %+v", got)
	}
	c.Leave()
}

// A connection that rests is not read, neither more bytes nor what was read already,
// and not inflated; others are. When the rest is over everything comes, once and in
// order.
func TestRest(t *testing.T) {
	m := newMetered()
	var resting sync.Map
	bombs := 0
	m.treat = func(c netpoll.Conn, cost netpoll.Cost) (v netpoll.Treatment) {
		if cost.Inflated > 0 {
			bombs++
			resting.Store(c.ID(), true)
		}
		if _, ok := resting.Load(c.ID()); ok {
			v.Rest, v.Background = time.Millisecond, true
		}
		return v
	}
	s, addr := start(t, netpoll.Config{}, m)
	c, other := wstest.Connect(t, addr, offer), wstest.Connect(t, addr, offer)
	var stream []byte
	for _, text := range []string{"one", "two", "three"} {
		stream = append(append(stream, wstest.Frame(0xc1, deflated(t, 5, text))...), wstest.Frame(0x81, "+"+text)...)
	}
	c.SendBytes(stream)
	c.Expect(0x81, "one")
	wstest.Eventually(t, "it rests again and again", func() bool { return s.Stats().Rests > 2 })
	other.Send(0x81, "hi")
	other.Expect(0x81, "hi")
	if got := m.cost(); got.Inflated != len("one") {
		t.Errorf("%d bytes were inflated during the rest", got.Inflated-len("one"))
	}
	resting.Clear()
	m.mu.Lock()
	m.treat = nil
	m.mu.Unlock()
	for _, text := range []string{"+one", "two", "+two", "three", "+three"} {
		c.Expect(0x81, text)
	}
	c.Leave()
	other.Leave()
}

// A large message waits in the background, where no turn of others waits for it; it
// comes once, in its place, and counts once.
func TestLargeMessagesWaitBehind(t *testing.T) {
	large := strings.Repeat("l", 200<<10)
	for name, frames := range map[string][]byte{
		"plain": wstest.Frame(0x81, large), "fragments": fragments(0x81, large[:70<<10], large[70<<10:]), "compressed": wstest.Frame(0xc1, deflated(t, 9, large)),
	} {
		m := newMetered()
		spent := 0
		m.treat = func(_ netpoll.Conn, cost netpoll.Cost) netpoll.Treatment {
			spent += cost.Inflated
			return netpoll.Treatment{LargeBehind: true}
		}
		s, addr := start(t, netpoll.Config{Workers: 1}, m)
		c := wstest.Connect(t, addr, offer)
		c.SendBytes(append(append(wstest.Frame(0x81, "before"), frames...), wstest.Frame(0x81, "behind")...))
		for _, want := range []string{"before", large[:8], "behind"} {
			c.Expect(0x81, want)
		}
		if n := s.Stats().MessagesIn; n != 3 {
			t.Errorf("%s: %d messages are counted", name, n)
		}
		if got := m.cost(); name == "compressed" && got.Inflated < len(large) {
			t.Errorf("%d bytes inflated", got.Inflated)
		}
		c.Leave()
	}
}

// A client that hangs up while it rests is noticed, whatever the Meter says.
func TestHangUpDuringARest(t *testing.T) {
	m := newMetered()
	m.treat = func(netpoll.Conn, netpoll.Cost) netpoll.Treatment {
		return netpoll.Treatment{Rest: 100 * time.Millisecond}
	}
	s, addr := start(t, netpoll.Config{}, m)
	c := wstest.Connect(t, addr)
	c.Send(0x81, "hi")
	c.Expect(0x81, "hi")
	wstest.Eventually(t, "it rests", func() bool { return s.Stats().Rests > 0 })
	c.Conn.Close()
	wstest.Eventually(t, "its end is noticed", func() bool { return openConns(s) == 0 })
}

// A connection that is closing inflates nothing any more, and what it still sends is
// told: in debt, it does not get the time that the closing handshake has.
func TestClosingIsMetered(t *testing.T) {
	m := newMetered()
	m.OnMessage = func(c netpoll.Conn, _ ws.OpCode, _ []byte) { _ = c.Close(4000, "enough") }
	bytes := 0
	m.treat = func(_ netpoll.Conn, cost netpoll.Cost) (v netpoll.Treatment) {
		if bytes += cost.Bytes; bytes > 100_000 {
			v.Rest = time.Hour
		}
		return v
	}
	s, addr := start(t, netpoll.Config{CloseTimeout: time.Hour}, m)
	c := wstest.Connect(t, addr, offer)
	c.Send(0x81, "end")
	if b0, _, err := c.ReadFrame(); err != nil || b0 != 0x88 {
		t.Fatalf("frame %02x, %v; want Close", b0, err)
	}
	c.Send(0xc1, deflated(t, 9, strings.Repeat("y", 1<<20)))
	c.Send(0x82, strings.Repeat("z", 150_000))
	c.ExpectEOF()
	wstest.Eventually(t, "it is closed", func() bool { return openConns(s) == 0 })
	if got := m.cost(); got.Inflated != 0 {
		t.Errorf("%d bytes were inflated for a connection that is closing", got.Inflated)
	}
}

// What is restricted takes no large message, compressed or not, until that ends;
// the message that ends it may have a large one right behind it.
func TestRestrict(t *testing.T) {
	h := &netpoll.Funcs{
		OnOpen: func(c netpoll.Conn, _ *netpoll.Request) { c.Restrict(true) },
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
			c.Restrict(false)
			_ = c.Push(op, data[:2])
		},
	}
	cfg := netpoll.Config{MaxRestricted: 1000}
	big := strings.Repeat("b", 2000)
	for name, stream := range map[string][]byte{
		"a frame": wstest.Frame(0x81, big), "fragments": fragments(0x81, big[:900], big[900:]), "compressed": wstest.Frame(0xc1, deflated(t, 9, big)),
	} {
		_, addr := start(t, cfg, h)
		c := wstest.Connect(t, addr, offer)
		c.SendBytes(stream)
		if reason := c.ExpectClose(1009); !strings.Contains(reason, "limit") {
			t.Errorf("%s: %s", name, reason)
		}
		c = wstest.Connect(t, addr, offer)
		c.SendBytes(append(wstest.Frame(0x81, strings.Repeat("a", 1000)), stream...))
		c.Expect(0x81, "aa")
		c.Expect(0x81, "bb")
		c.Leave()
	}
}

// What a client made the server do is told even if it ends the connection: it could come
// back at once, and nobody would have paid.
func TestCostOfBrokenInputIsTold(t *testing.T) {
	const size = 200_000
	bomb := deflated(t, 9, strings.Repeat("y", size))
	for _, c := range []struct {
		name   string
		stream []byte
		status int
		want   netpoll.Cost // at least
	}{
		{"a bomb over the limit", wstest.Frame(0xc2, deflated(t, 9, strings.Repeat("y", size+100))), 1009, netpoll.Cost{Inflated: size}},
		{"damaged behind a bomb", wstest.Frame(0xc2, bomb[:len(bomb)-2]+"\xff\xff\xff"), 1007, netpoll.Cost{Inflated: size - 1000}},
		{"text that is not UTF-8", wstest.Frame(0xc1, deflated(t, 9, strings.Repeat("y", size-1)+"\xff")), 1007, netpoll.Cost{Inflated: size}},
		{"a reserved opcode behind messages", append(append(wstest.Frame(0x82, strings.Repeat("x", 1000)), wstest.Frame(0x82, "y")...), wstest.Frame(0x83, "z")...), 1002, netpoll.Cost{Bytes: 1000, Frames: 2}},
		{"a flood of pongs", []byte(strings.Repeat(string(wstest.Frame(0x8a, "")), 101)), 1008, netpoll.Cost{Controls: 100}},
	} {
		m := newMetered()
		_, addr := start(t, netpoll.Config{MaxMessage: size, ControlRate: 100}, m)
		cl := wstest.Connect(t, addr, offer)
		cl.SendBytes(c.stream)
		cl.Wait()
		for {
			if b0, p, err := cl.ReadFrame(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			} else if b0 == 0x88 {
				if got := int(p[0])<<8 | int(p[1]); got != c.status {
					t.Errorf("%s: closed with %d", c.name, got)
				}
				break
			}
		}
		if got := m.cost(); got.Bytes < c.want.Bytes || got.Inflated < c.want.Inflated || got.Frames < c.want.Frames || got.Controls < c.want.Controls {
			t.Errorf("%s: %+v is told, want %+v at least", c.name, got, c.want)
		}
	}
}

// A message that has to wait because of a debt, and then again because it is large,
// costs what was inflated each time.
func TestCostOfAKeptMessageIsTold(t *testing.T) {
	const size = 200_000
	m := newMetered()
	rested := false
	m.treat = func(_ netpoll.Conn, cost netpoll.Cost) netpoll.Treatment {
		v := netpoll.Treatment{LargeBehind: true}
		if !rested && cost.Inflated > 0 {
			rested, v.Rest = true, time.Millisecond
		}
		return v
	}
	_, addr := start(t, netpoll.Config{}, m)
	c := wstest.Connect(t, addr, offer)
	c.SendBytes(append(wstest.Frame(0xc1, deflated(t, 9, "first")), wstest.Frame(0xc1, deflated(t, 9, strings.Repeat("l", size)))...))
	c.Expect(0x81, "first")
	c.Expect(0x81, "llllllll")
	c.Leave()
	if got, least := m.cost().Inflated, size+64<<10; got < least {
		t.Errorf("%d bytes are told, and %d were inflated", got, least)
	}
}
