package netpoll_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// What clients will try, after ../shared/threats.md, once they are connected.
// The handshake's threats are in threats_http_test.go.

// witness is an echo handler that tells of the ends of connections.
type witness struct {
	netpoll.Funcs
	opened chan netpoll.Conn
	closed chan ending
	ended  map[netpoll.Conn]ending // taken from closed by expectOf, which waited for another
}

// ending is the end of a connection.
type ending struct {
	netpoll.Closed
	conn netpoll.Conn
}

func newWitness() *witness {
	w := &witness{opened: make(chan netpoll.Conn, 1000), closed: make(chan ending, 1000), ended: map[netpoll.Conn]ending{}}
	w.OnOpen = func(c netpoll.Conn, _ *netpoll.Request) { w.opened <- c }
	w.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) { _ = c.Push(op, data) }
	w.OnClose = func(c netpoll.Conn, why netpoll.Closed) { w.closed <- ending{why, c} }
	return w
}

func receive[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(wstest.Patience):
		t.Fatalf("nothing heard of: %s", what)
	}
	return v
}

// expect expects the next end: of the only connection, or of one of several that end alike.
func (w *witness) expect(t *testing.T, cause netpoll.Cause, code ws.StatusCode) {
	t.Helper()
	receive(t, "close", w.closed).expect(t, cause, code)
}

// expectOf expects the end of one connection. Those of others may come before it, in any order.
func (w *witness) expectOf(t *testing.T, c netpoll.Conn, cause netpoll.Cause, code ws.StatusCode) {
	t.Helper()
	for w.ended[c].conn != c {
		end := receive(t, "close", w.closed)
		w.ended[end.conn] = end
	}
	w.ended[c].expect(t, cause, code)
}

func (e ending) expect(t *testing.T, cause netpoll.Cause, code ws.StatusCode) {
	t.Helper()
	if e.Cause != cause || e.Code != code {
		t.Fatalf("closed as %v, %d %q; want %v, %d", e.Cause, e.Code, e.Reason, cause, code)
	}
}

// bytesIn is how much the server has read of a connection.
func bytesIn(c netpoll.Conn) uint64 {
	info, _ := c.Info()
	return info.BytesIn
}

// allocated is how many bytes have been allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestThreatLengths(t *testing.T) {
	w := newWitness()
	_, addr := start(t, netpoll.Config{}, w)
	for _, tt := range []struct {
		name   string
		before []byte
		length uint64
		cause  netpoll.Cause
		code   int
	}{
		{"top bit", nil, 1 << 63, netpoll.ProtocolError, protocolFailed},
		{"all bits", nil, 1<<64 - 1, netpoll.ProtocolError, protocolFailed},
		{"2^63-1", nil, 1<<63 - 1, netpoll.TooBig, tooBig},
		{"2^63-1 behind a fragment", wstest.Frame(partBin, "x"), 1<<63 - 1, netpoll.TooBig, tooBig},
		{"2^63-14: the header would wrap it", nil, 1<<63 - 14, netpoll.TooBig, tooBig},
		{"2^32", nil, 1 << 32, netpoll.TooBig, tooBig},
		{"1 GB announced", nil, 1 << 30, netpoll.TooBig, tooBig},
		{"a byte over the limit", nil, 1<<20 + 1, netpoll.TooBig, tooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := wstest.Connect(t, addr)
			b0 := byte(bin)
			if tt.before != nil {
				b0 = cont
			}
			c.SendBytes(append(tt.before, wstest.FrameHead(b0, tt.length)...))
			c.ExpectClose(tt.code)
			w.expect(t, tt.cause, ws.StatusCode(tt.code))
		})
	}
}

// A length alone makes nothing large, where it is within the limit.
func TestThreatDeclaredLength(t *testing.T) {
	w := newWitness()
	_, addr := start(t, netpoll.Config{MaxMessage: 2 << 30}, w)
	before := allocated()
	var clients []*wstest.Client
	var conns []netpoll.Conn
	for range 50 {
		c := wstest.Connect(t, addr)
		conn := receive(t, "open", w.opened)
		read := bytesIn(conn)
		b := append(wstest.FrameHead(bin, 1<<30), "some of it"...)
		c.SendBytes(b)
		wstest.Eventually(t, "the header is read", func() bool { return bytesIn(conn) == read+uint64(len(b)) })
		clients, conns = append(clients, c), append(conns, conn)
	}
	if n := allocated() - before; n > 64<<20 {
		t.Errorf("%d bytes were allocated for 50 lengths of 1 GB", n)
	}
	for i := range clients {
		if !conns[i].Exists() {
			t.Error("a connection is closed that did nothing wrong")
		}
		clients[i].Conn.Close()
		w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)
	}
}

// All but the last byte of a large message, from everybody: the total is
// bounded, those within it are served, and whoever holds little is let be.
func TestThreatHalfMessages(t *testing.T) {
	const size, bound = 200 << 10, 1 << 20
	w := newWitness()
	s, addr := start(t, netpoll.Config{MaxUnfinished: bound}, w)
	modest := wstest.Connect(t, addr)
	modestConn := receive(t, "open", w.opened)
	little := wstest.Frame(text, "modest")
	modest.SendBytes(little[:8])
	m := pattern(size)
	f := wstest.Frame(text, m)
	type pair struct {
		*wstest.Client
		conn netpoll.Conn
	}
	var all []pair
	for range 20 {
		c := pair{wstest.Connect(t, addr), receive(t, "open", w.opened)}
		all = append(all, c)
		read := bytesIn(c.conn)
		go c.Conn.Write(f[:len(f)-1])
		wstest.Eventually(t, "the half is read, or refused", func() bool {
			if n := s.Stats().Unfinished; n > bound {
				t.Fatalf("%d bytes are unfinished, the bound is %d", n, bound)
			}
			return bytesIn(c.conn) == read+uint64(len(f)-1) || !c.conn.Exists()
		})
	}
	wstest.Eventually(t, "there is some room", func() bool { return s.Stats().Unfinished <= bound/8*7 })
	served := 0
	for _, c := range all {
		if !c.conn.Exists() {
			c.ExpectClose(1013)
			w.expectOf(t, c.conn, netpoll.OutOfMemory, 1013)
			continue
		}
		served++
		c.SendBytes(f[len(f)-1:])
		c.Expect(text, m)
		c.Leave()
		w.expectOf(t, c.conn, netpoll.ClientClosed, normal)
	}
	if served < 2 || served*size > bound {
		t.Errorf("%d of 20 were served with %d bytes each; the bound is %d", served, size, bound)
	}
	modest.SendBytes(little[8:])
	modest.Expect(text, "modest")
	modest.Leave()
	w.expectOf(t, modestConn, netpoll.ClientClosed, normal)
	c := wstest.Connect(t, addr) // and the memory is free again
	c.SendBytes(f)
	c.Expect(text, m)
	c.Leave()
}

// A message that stays unfinished has one deadline: neither more of it, for
// ever, nor control frames between its pieces put that off.
func TestThreatUnfinishedMessage(t *testing.T) {
	for name, more := range map[string][]byte{"pieces": wstest.Frame(partCont, "x"), "pongs": wstest.Frame(pong, "")} {
		t.Run(name, func(t *testing.T) {
			w := newWitness()
			_, addr := start(t, netpoll.Config{MessageTimeout: 300 * time.Millisecond}, w)
			c := wstest.Connect(t, addr)
			c.Send(partText, "to be continued")
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
						if _, err := c.Conn.Write(more); err != nil {
							return
						}
					}
				}
			}()
			b0, p, err := c.ReadFrame()
			close(stop)
			<-done
			if err != nil || b0 != closeOp || !strings.HasPrefix(string(p), wstest.ClosePayload(1008, "")) {
				t.Fatalf("frame %02x %q, %v; want Close 1008", b0, p, err)
			}
			c.Conn.Close()
			w.expect(t, netpoll.Unfinished, 1008)
		})
	}
}

// Last words and FIN in one go: both are seen, and the answers still arrive.
func TestThreatHalfClose(t *testing.T) {
	w := newWitness()
	_, addr := start(t, netpoll.Config{}, w)
	large := pattern(100 << 10)
	for range 50 {
		c := wstest.Connect(t, addr)
		c.SendBytes(append(wstest.Frame(text, "last words"), wstest.Frame(ping, "bye")...))
		c.TCP().CloseWrite()
		c.Expect(text, "last words")
		c.Expect(pong, "bye")
		c.ExpectEOF()
		w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)

		c = wstest.Connect(t, addr)
		c.SendBytes(append(wstest.Frame(text, large), wstest.Frame(closeOp, wstest.ClosePayload(1001, "off"))...))
		c.TCP().CloseWrite()
		c.Closing = true
		c.Expect(text, large)
		c.ExpectClose(1001)
		w.expect(t, netpoll.ClientClosed, 1001)

		c = wstest.Dial(t, addr) // the whole life in one write
		c.SendBytes(append(wstest.Upgrade(), wstest.Frame(text, "hello and bye")...))
		c.TCP().CloseWrite()
		if r := c.Response(); r.StatusCode != 101 {
			t.Fatal(r.Status)
		}
		c.Expect(text, "hello and bye")
		c.ExpectEOF()
		w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)

		c = wstest.Connect(t, addr) // cut in the middle of a frame
		c.SendBytes(wstest.Frame(text, "never finished")[:10])
		c.TCP().CloseWrite()
		c.ExpectEOF()
		w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)
	}
}

// A client that ends while the server closes is let go at once, not when the
// wstest.Patience of the close ends.
func TestThreatGoneWhileClosing(t *testing.T) {
	w := newWitness()
	_, addr := start(t, netpoll.Config{CloseTimeout: time.Hour}, w)
	ends := map[string]func(c *wstest.Client){
		"end of stream": func(c *wstest.Client) { c.TCP().CloseWrite() },
		"closed":        func(c *wstest.Client) { c.Conn.Close() },
		"reset":         func(c *wstest.Client) { c.TCP().SetLinger(0); c.Conn.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for _, code := range []int{4000, protocolFailed} {
				c := wstest.Connect(t, addr)
				conn := receive(t, "open", w.opened)
				cause := netpoll.ServerClosed
				if code == protocolFailed {
					cause = netpoll.ProtocolError
					c.Send(0x83, "")
				} else if err := conn.Close(4000, "go"); err != nil {
					t.Fatal(err)
				}
				if b0, _, err := c.ReadFrame(); b0 != closeOp || err != nil {
					t.Fatalf("frame %02x, %v; want Close", b0, err)
				}
				end(c)
				w.expect(t, cause, ws.StatusCode(code))
			}
		})
	}
}

func TestThreatFragments(t *testing.T) {
	for name, cfg := range map[string]netpoll.Config{"by default": {}, "of 100": {MaxFragments: 100}} {
		for _, payload := range []string{"", "x"} {
			t.Run(fmt.Sprintf("%s, %d bytes each", name, len(payload)), func(t *testing.T) {
				w := newWitness()
				_, addr := start(t, cfg, w)
				c := wstest.Connect(t, addr)
				b := wstest.Frame(partBin, payload)
				for range 20_000 {
					b = append(b, wstest.Frame(partCont, payload)...)
				}
				go c.Conn.Write(b)
				c.ExpectClose(tooBig)
				w.expect(t, netpoll.TooBig, tooBig)
			})
		}
	}
}
