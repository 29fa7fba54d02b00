package netpoll_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// metered echoes, and adds up the cost of what it echoes.
type metered struct {
	netpoll.Funcs
	mu      sync.Mutex
	sum     netpoll.Cost
	verdict func(c netpoll.Conn, cost netpoll.Cost) netpoll.Verdict // under mu
}

// Spend implements netpoll.Meter.
func (m *metered) Spend(c netpoll.Conn, cost netpoll.Cost) (v netpoll.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.Bytes += cost.Bytes
	m.sum.Inflated += cost.Inflated
	m.sum.Frames += cost.Frames
	m.sum.Controls += cost.Controls
	if m.verdict != nil {
		v = m.verdict(c, cost)
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
		b = append(b, frame(first, part)...)
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
		{"a message", frame(0x81, "hello"), netpoll.Cost{Bytes: 11, Frames: 1}, "hello"},
		{"a long one", frame(0x82, long), netpoll.Cost{Bytes: len(long) + 14, Frames: 2}, long[:8]},
		{"a bomb", frame(0xc1, bomb), netpoll.Cost{Bytes: len(bomb) + 8, Inflated: 1 << 20, Frames: 1}, "yyyyyyyy"},
		{"fragments", fragments(0x81, "a", "", "", "b"), netpoll.Cost{Bytes: 4*6 + 2, Frames: 4}, "ab"},
		{"pings, and pongs that nobody asked for", append(append(frame(0x89, "x"), frame(0x8a, "yy")...), frame(0x81, "z")...),
			netpoll.Cost{Bytes: 7 + 8 + 7, Frames: 3, Controls: 2}, ""},
	} {
		for _, piece := range []int{len(c.stream), 1 + len(c.stream)/50, 3} {
			if len(c.stream)/piece > 5000 {
				continue
			}
			m := newMetered()
			_, addr := start(t, netpoll.Config{}, m)
			cl := connect(t, addr, offer)
			cl.chop(c.stream, piece)
			if c.echo == "" {
				cl.expect(0x8a, "x")
				c.echo = "z"
			}
			if b0, p, err := cl.readFrame(); err != nil || string(p) != c.echo {
				t.Fatalf("got frame %02x %s, %v; want %q", b0, brief(string(p)), err, c.echo)
			}
			cl.goodbye()
			got := m.cost()
			got.Bytes -= len(frame(0x88, closePayload(1000, "")))
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
	c := connect(t, addr)
	for range 3 {
		b0, p, err := c.readFrame()
		if err != nil || b0 != 0x89 {
			t.Fatalf("frame %02x, %v; want a ping", b0, err)
		}
		c.send(0x8a, string(p))
	}
	c.expect(0x89, "")
	if got := m.cost(); got != (netpoll.Cost{}) {
		t.Errorf("three pongs cost %+v", got)
	}
	c.goodbye()
}

// A connection that rests is not read, neither more bytes nor what was read already,
// and not inflated; others are. When the rest is over everything comes, once and in
// order.
func TestRest(t *testing.T) {
	m := newMetered()
	var resting sync.Map
	bombs := 0
	m.verdict = func(c netpoll.Conn, cost netpoll.Cost) (v netpoll.Verdict) {
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
	c, other := connect(t, addr, offer), connect(t, addr, offer)
	var stream []byte
	for _, text := range []string{"one", "two", "three"} {
		stream = append(append(stream, frame(0xc1, deflated(t, 5, text))...), frame(0x81, "+"+text)...)
	}
	c.write(stream)
	c.expect(0x81, "one")
	eventually(t, "it rests again and again", func() bool { return s.Stats().Rests > 2 })
	other.send(0x81, "hi")
	other.expect(0x81, "hi")
	if got := m.cost(); got.Inflated != len("one") {
		t.Errorf("%d bytes were inflated during the rest", got.Inflated-len("one"))
	}
	resting.Clear()
	m.mu.Lock()
	m.verdict = nil
	m.mu.Unlock()
	for _, text := range []string{"+one", "two", "+two", "three", "+three"} {
		c.expect(0x81, text)
	}
	c.goodbye()
	other.goodbye()
}

// A large message waits in the background, where no turn of others waits for it; it
// comes once, in its place, and counts once.
func TestLargeMessagesWaitBehind(t *testing.T) {
	large := strings.Repeat("l", 200<<10)
	for name, frames := range map[string][]byte{
		"plain": frame(0x81, large), "fragments": fragments(0x81, large[:70<<10], large[70<<10:]), "compressed": frame(0xc1, deflated(t, 9, large)),
	} {
		m := newMetered()
		spent := 0
		m.verdict = func(_ netpoll.Conn, cost netpoll.Cost) netpoll.Verdict {
			spent += cost.Inflated
			return netpoll.Verdict{LargeBehind: true}
		}
		s, addr := start(t, netpoll.Config{Workers: 1}, m)
		c := connect(t, addr, offer)
		c.write(append(append(frame(0x81, "before"), frames...), frame(0x81, "behind")...))
		for _, want := range []string{"before", large[:8], "behind"} {
			c.expect(0x81, want)
		}
		if n := s.Stats().MessagesIn; n != 3 {
			t.Errorf("%s: %d messages are counted", name, n)
		}
		if got := m.cost(); name == "compressed" && got.Inflated < len(large) {
			t.Errorf("%d bytes inflated", got.Inflated)
		}
		c.goodbye()
	}
}

// A client that hangs up while it rests is noticed, whatever the Meter says.
func TestHangUpDuringARest(t *testing.T) {
	m := newMetered()
	m.verdict = func(netpoll.Conn, netpoll.Cost) netpoll.Verdict { return netpoll.Verdict{Rest: 100 * time.Millisecond} }
	s, addr := start(t, netpoll.Config{}, m)
	c := connect(t, addr)
	c.send(0x81, "hi")
	c.expect(0x81, "hi")
	eventually(t, "it rests", func() bool { return s.Stats().Rests > 0 })
	c.c.Close()
	eventually(t, "its end is noticed", func() bool { return openConns(s) == 0 })
}

// A connection that is closing inflates nothing any more, and what it still sends is
// told: in debt, it does not get the time that the closing handshake has.
func TestClosingIsMetered(t *testing.T) {
	m := newMetered()
	m.OnMessage = func(c netpoll.Conn, _ ws.OpCode, _ []byte) { _ = c.Close(4000, "enough") }
	bytes := 0
	m.verdict = func(_ netpoll.Conn, cost netpoll.Cost) (v netpoll.Verdict) {
		if bytes += cost.Bytes; bytes > 100_000 {
			v.Rest = time.Hour
		}
		return v
	}
	s, addr := start(t, netpoll.Config{CloseTimeout: time.Hour}, m)
	c := connect(t, addr, offer)
	c.send(0x81, "end")
	if b0, _, err := c.readFrame(); err != nil || b0 != 0x88 {
		t.Fatalf("frame %02x, %v; want Close", b0, err)
	}
	c.send(0xc1, deflated(t, 9, strings.Repeat("y", 1<<20)))
	c.send(0x82, strings.Repeat("z", 150_000))
	c.expectEOF()
	eventually(t, "it is closed", func() bool { return openConns(s) == 0 })
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
		"a frame": frame(0x81, big), "fragments": fragments(0x81, big[:900], big[900:]), "compressed": frame(0xc1, deflated(t, 9, big)),
	} {
		_, addr := start(t, cfg, h)
		c := connect(t, addr, offer)
		c.write(stream)
		if reason := c.expectClose(1009); !strings.Contains(reason, "limit") {
			t.Errorf("%s: %s", name, reason)
		}
		c = connect(t, addr, offer)
		c.write(append(frame(0x81, strings.Repeat("a", 1000)), stream...))
		c.expect(0x81, "aa")
		c.expect(0x81, "bb")
		c.goodbye()
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
		{"a bomb over the limit", frame(0xc2, deflated(t, 9, strings.Repeat("y", size+100))), 1009, netpoll.Cost{Inflated: size}},
		{"damaged behind a bomb", frame(0xc2, bomb[:len(bomb)-2]+"\xff\xff\xff"), 1007, netpoll.Cost{Inflated: size - 1000}},
		{"text that is not UTF-8", frame(0xc1, deflated(t, 9, strings.Repeat("y", size-1)+"\xff")), 1007, netpoll.Cost{Inflated: size}},
		{"a reserved opcode behind messages", append(append(frame(0x82, strings.Repeat("x", 1000)), frame(0x82, "y")...), frame(0x83, "z")...), 1002, netpoll.Cost{Bytes: 1000, Frames: 2}},
		{"a flood of pongs", []byte(strings.Repeat(string(frame(0x8a, "")), 101)), 1008, netpoll.Cost{Controls: 100}},
	} {
		m := newMetered()
		_, addr := start(t, netpoll.Config{MaxMessage: size, ControlRate: 100}, m)
		cl := connect(t, addr, offer)
		cl.write(c.stream)
		for {
			if b0, p, err := cl.readFrame(); err != nil {
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
	m.verdict = func(_ netpoll.Conn, cost netpoll.Cost) netpoll.Verdict {
		v := netpoll.Verdict{LargeBehind: true}
		if !rested && cost.Inflated > 0 {
			rested, v.Rest = true, time.Millisecond
		}
		return v
	}
	_, addr := start(t, netpoll.Config{}, m)
	c := connect(t, addr, offer)
	c.write(append(frame(0xc1, deflated(t, 9, "first")), frame(0xc1, deflated(t, 9, strings.Repeat("l", size)))...))
	c.expect(0x81, "first")
	c.expect(0x81, "llllllll")
	c.goodbye()
	if got, least := m.cost().Inflated, size+64<<10; got < least {
		t.Errorf("%d bytes are told, and %d were inflated", got, least)
	}
}
