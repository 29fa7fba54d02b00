package netpoll_test

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// reconfigure changes the settings of a server.
func reconfigure(t *testing.T, s *netpoll.Server, change func(c *netpoll.Config)) {
	t.Helper()
	c := s.Config()
	if change(&c); s.Reconfigure(c) != nil {
		t.Fatal(s.Reconfigure(c))
	}
}

// The fields that are fixed are refused by name, and then everything else stays, too.
func TestReconfigureRefusesFixed(t *testing.T) {
	s, addr := start(t, netpoll.Config{Loops: 1, Workers: 2}, echo())
	for name, change := range map[string]func(c *netpoll.Config){
		"Loops":           func(c *netpoll.Config) { c.Loops = 3 },
		"Workers":         func(c *netpoll.Config) { c.Workers = 7 },
		"RunOnLoop":       func(c *netpoll.Config) { c.RunOnLoop = true },
		"SendBuffer":      func(c *netpoll.Config) { c.SendBuffer = -1 },
		"Logger":          func(c *netpoll.Config) { c.Logger = slog.New(slog.DiscardHandler) },
		"Workers, Logger": func(c *netpoll.Config) { c.Workers, c.Logger = 7, slog.New(slog.DiscardHandler) },
	} {
		c := s.Config()
		c.MaxMessage = 1
		change(&c)
		if err := s.Reconfigure(c); err == nil || !strings.HasPrefix(err.Error(), "netpoll: "+name+" cannot change") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := s.Config(); now.MaxMessage != 1<<20 || now.Loops != 1 || now.Workers != 2 {
		t.Errorf("the settings in force are %+v", now)
	}
	c := wstest.Connect(t, addr)
	c.Send(text, "as before")
	c.Expect(text, "as before")
	c.Leave()
	// A zero value is the default of a field that changes, and leaves one that is fixed.
	if err := s.Reconfigure(netpoll.Config{MaxConns: 5, PingInterval: -1}); err != nil {
		t.Fatal(err)
	}
	if now := s.Config(); now.MaxConns != 5 || now.MaxMessage != 1<<20 || now.HighWater != 128<<10 || now.Loops != 1 || now.Workers != 2 {
		t.Errorf("the settings in force are %+v", now)
	}
}

// A lower limit of connections closes nobody, and lets nobody in until enough have left.
func TestReconfigureMaxConns(t *testing.T) {
	s, addr := start(t, netpoll.Config{MaxConns: 4}, echo())
	var there []*wstest.Client
	for range 4 {
		there = append(there, wstest.Connect(t, addr))
	}
	refused := func(open int64) {
		t.Helper()
		c := wstest.Dial(t, addr)
		c.SendBytes(wstest.Upgrade())
		if r := c.Response(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
			t.Errorf("a client beside %d gets %s", open, r.Status)
		}
		c.Conn.Close()
		wstest.Eventually(t, "it has left", func() bool { return s.Stats().Handshaking == 0 })
	}
	refused(4)
	reconfigure(t, s, func(c *netpoll.Config) { c.MaxConns = 2 })
	for n := int64(4); n >= 2; n-- {
		for i, c := range there {
			c.Send(text, fmt.Sprint(i))
			c.Expect(text, fmt.Sprint(i))
		}
		refused(n)
		there[0].Leave()
		there = there[1:]
		wstest.Eventually(t, "one has left", func() bool { return s.Stats().Open == n-1 })
	}
	there = append(there, wstest.Connect(t, addr)) // 2 of 2
	refused(2)
	reconfigure(t, s, func(c *netpoll.Config) { c.MaxConns = 3 })
	there = append(there, wstest.Connect(t, addr))
	refused(3)
	for _, c := range there {
		c.Leave()
	}
}

// presentCases are limits that come while a connection is there, which then breaks them, or does so already.
var presentCases = []struct {
	name   string
	cfg    netpoll.Config
	before func(t *testing.T, p *wstest.Client, c netpoll.Conn)
	change func(c *netpoll.Config)
	after  func(p *wstest.Client)
	cause  netpoll.Cause
	code   ws.StatusCode
}{
	{"MaxMessage", netpoll.Config{}, nil, func(c *netpoll.Config) { c.MaxMessage = 10 }, says(text, "eleven byte"), netpoll.TooBig, 1009},
	{"MaxMessage, of a message under way", netpoll.Config{}, unfinished,
		func(c *netpoll.Config) { c.MaxMessage = 10 }, func(p *wstest.Client) { p.TrySend(wstest.Frame(0x80, "and more")) }, netpoll.TooBig, 1009},
	{"MaxFragments", netpoll.Config{}, unfinished,
		func(c *netpoll.Config) { c.MaxFragments = 2 }, func(p *wstest.Client) { p.TrySend(append(wstest.Frame(0, "2"), wstest.Frame(0, "3")...)) }, netpoll.TooBig, 1009},
	{"ControlRate", netpoll.Config{ControlRate: -1}, nil, func(c *netpoll.Config) { c.ControlRate = 10 },
		func(p *wstest.Client) { p.TrySend(bytes.Repeat(wstest.Frame(ping, ""), 100)) }, netpoll.ControlFlood, 1008},
	{"MaxUnfinished", netpoll.Config{}, unfinished, func(c *netpoll.Config) { c.MaxUnfinished = 8 }, nil, netpoll.OutOfMemory, 1013},
	{"MessageTimeout", netpoll.Config{MessageTimeout: -1}, unfinished, func(c *netpoll.Config) { c.MessageTimeout = 200 * time.Millisecond }, nil, netpoll.Unfinished, 1008},
	{"MessageTimeout, of an hour", netpoll.Config{MessageTimeout: time.Hour}, unfinished, func(c *netpoll.Config) { c.MessageTimeout = 200 * time.Millisecond }, nil, netpoll.Unfinished, 1008},
	{"PongTimeout", netpoll.Config{PingInterval: time.Second, PongTimeout: time.Hour}, func(t *testing.T, p *wstest.Client, _ netpoll.Conn) { p.Expect(ping, "") },
		func(c *netpoll.Config) { c.PongTimeout = 200 * time.Millisecond }, nil, netpoll.PongTimeout, 1006},
	{"PingInterval", netpoll.Config{PingInterval: 2 * time.Second, PongTimeout: 100 * time.Millisecond}, func(t *testing.T, p *wstest.Client, _ netpoll.Conn) {
		p.Expect(ping, "")
		p.Send(text, "that is an answer, too")
		p.Expect(text, "that is an answer, too")
	}, func(c *netpoll.Config) { c.PingInterval = 200 * time.Millisecond }, nil, netpoll.PongTimeout, 1006},
	{"WriteTimeout", netpoll.Config{WriteTimeout: -1, MaxQueue: 64 << 20}, blocked, func(c *netpoll.Config) { c.WriteTimeout = 200 * time.Millisecond }, nil, netpoll.Slow, 1006},
	{"WriteTimeout, of an hour", netpoll.Config{WriteTimeout: time.Hour, MaxQueue: 64 << 20}, blocked, func(c *netpoll.Config) { c.WriteTimeout = 200 * time.Millisecond }, nil, netpoll.Slow, 1006},
	{"MaxQueue", netpoll.Config{MaxQueue: 64 << 20}, blocked, func(c *netpoll.Config) { c.MaxQueue = 64 << 10 }, says(text, "echo"), netpoll.Slow, 1006},
	{"MaxQueued", netpoll.Config{MaxQueue: 64 << 20}, blocked, func(c *netpoll.Config) { c.MaxQueued = 64 << 10 }, nil, netpoll.OutOfMemory, 1006},
	{"CloseTimeout", netpoll.Config{CloseTimeout: time.Hour}, nil, func(c *netpoll.Config) { c.CloseTimeout = 200 * time.Millisecond }, says(text, "close"), netpoll.ServerClosed, 4000},
}

// unfinished sends the first fragment of a message.
func unfinished(t *testing.T, p *wstest.Client, c netpoll.Conn) {
	read := bytesIn(c)
	first := wstest.Frame(1, "a fragment")
	p.SendBytes(first)
	wstest.Eventually(t, "the fragment is kept", func() bool {
		return bytesIn(c) == read+uint64(len(first)) && c.Server().Stats().Unfinished > 0
	})
}

// blocked lets the server push more than the socket takes, and reads nothing.
func blocked(t *testing.T, p *wstest.Client, c netpoll.Conn) {
	p.Send(text, "flood")
	wstest.Eventually(t, "all is pushed", func() bool { info, _ := c.Info(); return info.MessagesOut == 200 && info.Queued > 1<<20 })
}

// A present connection is judged by new limits, and nobody else is closed for them.
func TestReconfigurePresentConnections(t *testing.T) {
	for _, k := range presentCases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := told()
			k.cfg.CloseTimeout = cmp.Or(k.cfg.CloseTimeout, 200*time.Millisecond)
			s, addr := serveAt(t, k.cfg, w, false)
			var other *wstest.Client
			if k.cause != netpoll.PongTimeout { // it would be late with its pong, too
				other = wstest.Connect(t, addr)
				receive(t, "open", w.opened)
			}
			p := wstest.Connect(t, addr)
			c := receive(t, "open", w.opened)
			if k.before != nil {
				k.before(t, p, c)
			}
			reconfigure(t, s, k.change)
			if k.after != nil {
				k.after(p)
			}
			w.expect(t, k.cause, k.code)
			if other != nil {
				other.Send(text, "still here")
				other.Expect(text, "still here")
				other.Leave()
				w.expect(t, netpoll.ClientClosed, 1000)
			}
		})
	}
}

// Higher limits let through, on a present connection, that for which others were closed before.
func TestReconfigureHigher(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{MaxMessage: 10, MaxQueue: 100_000}, w)
	p, breaks := wstest.Connect(t, addr), wstest.Connect(t, addr)
	c := receive(t, "open", w.opened)
	breaks.Send(text, "eleven byte")
	breaks.ExpectClose(1009)
	breaks.Conn.Close()
	w.expect(t, netpoll.TooBig, 1009)
	reconfigure(t, s, func(c *netpoll.Config) { c.MaxMessage, c.MaxQueue, c.MaxFragments = 100, 64<<20, 0 })
	p.Send(text, "eleven byte")
	p.Expect(text, "eleven byte")
	payload := make([]byte, 90_000)
	for i := range 100 { // 9 MB, more than the kernel holds
		if err := c.Push(ws.OpBinary, payload); err != nil {
			t.Fatal(i, err)
		}
	}
	for range 100 {
		p.Expect(bin, string(payload))
	}
	p.Leave()
}

// The handler of a present connection is told of a queue by the new watermarks.
func TestReconfigureWatermarks(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{MaxQueue: 64 << 20, HighWater: 32 << 20}, w)
	p := wstest.Connect(t, addr)
	c := receive(t, "open", w.opened)
	for c.Queued() < 1<<20 {
		if err := c.Push(ws.OpBinary, make([]byte, 90_000)); err != nil {
			t.Fatal(err)
		}
	}
	if c.Crowded() {
		t.Fatal("a queue of 1 MB is crowded below a watermark of 32 MB")
	}
	reconfigure(t, s, func(c *netpoll.Config) { c.HighWater, c.LowWater = 1<<20, 0 })
	if err := c.Push(ws.OpBinary, []byte("more")); err != nil || !c.Crowded() {
		t.Errorf("a queue of %d bytes is not crowded above a watermark of 1 MB: %v", c.Queued(), err)
	}
	p.Conn.Close()
	w.expect(t, netpoll.ClientGone, 1006)
}

// Compression of a present connection, of a log that was there before, and of next handshakes.
func TestReconfigureDeflate(t *testing.T) {
	const offer = "Sec-WebSocket-Extensions: permessage-deflate"
	s, addr := start(t, netpoll.Config{}, echo())
	log, at := s.NewLog(netpoll.Deflate), uint64(0)
	p := wstest.Connect(t, addr, offer)
	message := strings.Repeat("long ", 100)
	var id netpoll.ID
	for c := range s.Conns() {
		id = c.ID()
	}
	said := func(want byte) {
		t.Helper()
		p.Send(text, message)
		log.Append(ws.OpText, []byte(message))
		echoed, _, err := p.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		cut := log.Next(at)
		at = cut.End()
		if err := s.Offer(id, cut); err != nil {
			t.Fatal(err)
		}
		if offered, _, err := p.ReadFrame(); err != nil || echoed != want || offered != want {
			t.Errorf("first bytes %x and %x, want %x: %v", echoed, offered, want, err)
		}
	}
	said(0xc1)
	reconfigure(t, s, func(c *netpoll.Config) { c.DeflateMin, c.NoDeflate = 1000, true })
	said(0x81)
	reconfigure(t, s, func(c *netpoll.Config) { c.DeflateMin = 0 })
	said(0xc1)
	p.Leave()
	c := wstest.Dial(t, addr)
	c.SendBytes(wstest.Upgrade(offer))
	if got := c.Response().Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("NoDeflate agrees to %q", got)
	}
	c.Leave()
}

// The next handshakes are answered by the new settings.
func TestReconfigureHandshakes(t *testing.T) {
	ended := make(chan netpoll.Cause, 100)
	s, addr := start(t, netpoll.Config{Subprotocols: []string{"one"}, HandshakeTimeout: time.Hour}, echo())
	ask := func(path string, headers ...string) *http.Response {
		c := wstest.Dial(t, addr)
		defer c.Conn.Close()
		c.SendBytes(wstest.UpgradePath(path, headers...))
		return c.Response()
	}
	const protocols, origin = "Sec-WebSocket-Protocol: one, two", "Origin: https://elsewhere.example"
	long := "Cookie: " + strings.Repeat("x", 3000)
	if r := ask("/", protocols, long); r.Header.Get("Sec-WebSocket-Protocol") != "one" {
		t.Errorf("%s with %q before", r.Status, r.Header.Get("Sec-WebSocket-Protocol"))
	}
	if r := ask("/", origin); r.StatusCode != http.StatusForbidden {
		t.Errorf("an origin from elsewhere gets %s before", r.Status)
	}
	wstest.Eventually(t, "they have left", func() bool { st := s.Stats(); return st.Open+st.Handshaking == 0 })
	reconfigure(t, s, func(c *netpoll.Config) {
		c.Subprotocols, c.CheckOrigin, c.MaxHead = []string{"two"}, netpoll.AnyOrigin, 2000
		c.HandshakeTimeout = 200 * time.Millisecond
		c.Health = func(path string) (int, string) { return map[string]int{"/up": 200}[path], "fine" }
		c.NeverOpened = func(_ netpoll.Conn, why netpoll.Closed) { ended <- why.Cause }
	})
	if r := ask("/", protocols, origin); r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Protocol") != "two" {
		t.Errorf("%s with %q afterwards", r.Status, r.Header.Get("Sec-WebSocket-Protocol"))
	}
	if r := ask("/", long); r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long head gets %s afterwards", r.Status)
	}
	if cause := receive(t, "NeverOpened", ended); cause != netpoll.Refused {
		t.Errorf("NeverOpened gets %v", cause)
	}
	c := wstest.Dial(t, addr)
	c.SendBytes([]byte("GET /up HTTP/1.1\r\nHost: h\r\n\r\n"))
	if r := c.Response(); r.StatusCode != http.StatusOK {
		t.Errorf("health: %s", r.Status)
	}
	c.Conn.Close()
	silent := wstest.Dial(t, addr)
	silent.ExpectEOF()
	if cause := receive(t, "NeverOpened", ended); cause != netpoll.HandshakeTimeout {
		t.Errorf("NeverOpened gets %v", cause)
	}
}

// TestReconfigureUnderLoad changes all settings to and fro while clients come, talk and leave.
func TestReconfigureUnderLoad(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{}, w)
	one, two := s.Config(), netpoll.Config{MaxConns: 500, MaxConnsPerIP: 10, MaxHandshakesPerIP: 5, MaxTLSHandshakes: 3, MaxHTTP: 4, MaxHead: 2000,
		HandshakeTimeout: time.Minute, PingInterval: time.Minute, PongTimeout: time.Minute, WriteTimeout: time.Minute, CloseTimeout: time.Minute, MessageTimeout: -1,
		MaxMessage: 10_000, MaxUnfinished: 1 << 20, ControlRate: -1, MaxQueue: 200_000, MaxQueued: 10 << 20, DeflateMin: 20, NoDeflate: true, ExemptUnix: true, Exempt: loopback}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 5 {
				if err := converse(t, addr, func(round int) error { return s.Reconfigure([]netpoll.Config{one, two}[round%2]) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	for range 40 {
		w.expect(t, netpoll.ClientClosed, 1000)
	}
}

// converse connects, sends whole messages, pieces and fragments, reads the echoes, and leaves. It calls meanwhile in
// the middle of a message.
func converse(t *testing.T, addr string, meanwhile func(round int) error) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := wstest.NewClient(t, conn)
	if _, err := c.TryHandshake("/", "Sec-WebSocket-Extensions: permessage-deflate"); err != nil {
		return err
	}
	message := strings.Repeat("some text ", 100)
	for round := range 20 {
		for piece := range slices.Chunk(append(wstest.Frame(1, message), wstest.Frame(0x80, "end")...), 700) {
			if err := cmp.Or(c.TrySend(piece), meanwhile(round)); err != nil {
				return err
			}
		}
		if err := c.TrySend(wstest.Frame(text, message)); err != nil {
			return err
		}
		for _, want := range []string{message + "end", message} {
			op, got, err := c.ReadMessage()
			for op == ws.OpPing && err == nil {
				op, got, err = c.ReadMessage()
			}
			if err != nil || string(got) != want {
				return fmt.Errorf("got %s, %v", wstest.Brief(string(got)), err)
			}
		}
	}
	c.Closing = true
	if err := c.TrySend(wstest.Frame(closeOp, wstest.ClosePayload(1000, ""))); err != nil {
		return err
	}
	b0, _, err := c.ReadFrame()
	for b0 == ping && err == nil {
		b0, _, err = c.ReadFrame()
	}
	if err != nil || b0 != closeOp {
		return fmt.Errorf("got a frame %x, %v", b0, err)
	}
	return nil
}
