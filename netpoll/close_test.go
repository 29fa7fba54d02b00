package netpoll_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// certificate makes one for localhost.
func certificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(crand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secure adds a TLS listener to a server.
func secure(t testing.TB, s *netpoll.Server) string {
	t.Helper()
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{*certificate(t, "first")}}})
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

// peer is a client over TLS, or not.
type peer struct {
	*client
	tls *tls.Conn
}

func dialPeer(t testing.TB, addr string, secure bool) *peer {
	t.Helper()
	p := &peer{client: dial(t, addr)}
	if secure {
		p.hurry()
		p.tls = tls.Client(p.c, &tls.Config{InsecureSkipVerify: true})
		if err := p.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		p.br = bufio.NewReaderSize(p.tls, 64<<10)
	}
	return p
}

func connectPeer(t testing.TB, addr string, secure bool) *peer {
	t.Helper()
	p := dialPeer(t, addr, secure)
	p.say(upgrade())
	if r := p.response(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", r.Status)
	}
	return p
}

// say writes through TLS if there is one; errors show in what is read.
func (p *peer) say(b []byte) {
	p.hurry()
	if p.tls != nil {
		p.tls.Write(b)
	} else {
		p.c.Write(b)
	}
}

// hangUp closes the sending half.
func (p *peer) hangUp() {
	if p.tls != nil {
		p.tls.CloseWrite()
	}
	p.c.CloseWrite()
}

// rest tells all that still comes. It answers a Close frame if it is to.
func (p *peer) rest(answer bool) string {
	var got []string
	for {
		b0, payload, err := p.readFrame()
		switch {
		case err == io.EOF:
			return strings.Join(append(got, "eof"), ", ")
		case errors.Is(err, syscall.ECONNRESET):
			return strings.Join(append(got, "reset"), ", ")
		case err != nil && strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()):
			return strings.Join(append(got, "cut"), ", ")
		case err != nil:
			return strings.Join(append(got, err.Error()), ", ")
		case b0 == closeOp && len(payload) >= 2:
			got = append(got, fmt.Sprintf("close %d", int(payload[0])<<8|int(payload[1])))
		case b0 == closeOp:
			got = append(got, "close")
		case b0 == text:
			got = append(got, "text "+string(payload))
		case b0 == ping:
			got = append(got, "ping")
		}
		if b0 == closeOp && answer {
			p.say(frame(closeOp, string(payload)))
			p.hangUp()
		}
	}
}

// A cause is brought about by a client, or by what the handler does when it
// is told to.
type causeCase struct {
	name   string
	cfg    netpoll.Config
	do     func(p *peer)
	silent bool   // the client answers no Close frame
	wire   string // what it gets; "|" between what may be
	cause  netpoll.Cause
	code   ws.StatusCode
}

func says(b0 byte, payload string) func(p *peer) {
	return func(p *peer) { p.say(frame(b0, payload)) }
}

// cutOff is what may be seen of a close that is a reset.
const cutOff = "reset|cut|eof"

var causeCases = []causeCase{
	{"client closes", netpoll.Config{}, says(closeOp, closePayload(4001, "bye")), false, "close 4001, eof", netpoll.ClientClosed, 4001},
	{"client closes without a code", netpoll.Config{}, says(closeOp, ""), false, "close, eof", netpoll.ClientClosed, 1005},
	{"client ends its stream", netpoll.Config{}, (*peer).hangUp, false, "eof", netpoll.ClientGone, 1006},
	{"client resets", netpoll.Config{}, func(p *peer) { p.c.SetLinger(0); p.c.Close() }, false, "", netpoll.ClientGone, 1006},
	{"client's last words and end", netpoll.Config{}, func(p *peer) { p.say(frame(text, "last words")); p.hangUp() }, false, "text last words, eof", netpoll.ClientGone, 1006},
	{"server closes", netpoll.Config{}, says(text, "close"), false, "close 4000, eof", netpoll.ServerClosed, 4000},
	{"server closes, no answer", netpoll.Config{CloseTimeout: 200 * time.Millisecond}, says(text, "close"), true, "close 4000, " + "eof", netpoll.ServerClosed, 4000},
	{"server says something and closes", netpoll.Config{}, says(text, "push and close"), false, "text before, close 4000, eof", netpoll.ServerClosed, 4000},
	{"protocol error", netpoll.Config{}, says(0x83, ""), false, "close 1002, eof", netpoll.ProtocolError, 1002},
	{"protocol error, no answer", netpoll.Config{CloseTimeout: 200 * time.Millisecond}, says(0x83, ""), true, "close 1002, eof", netpoll.ProtocolError, 1002},
	{"bad text", netpoll.Config{}, says(text, "\xff"), false, "close 1007, eof", netpoll.BadText, 1007},
	{"too big", netpoll.Config{MaxMessage: 100}, says(text, strings.Repeat("x", 101)), false, "close 1009, eof", netpoll.TooBig, 1009},
	{"out of memory", netpoll.Config{MaxUnfinished: 1000}, func(p *peer) { p.say(append(frameHead(bin, 10_000), make([]byte, 5000)...)) }, false, "close 1013, eof", netpoll.OutOfMemory, 1013},
	{"control flood", netpoll.Config{ControlRate: 10}, func(p *peer) { p.say(bytes.Repeat(frame(ping, ""), 100)) }, false, "close 1008, eof", netpoll.ControlFlood, 1008},
	{"slow: queue", netpoll.Config{MaxQueue: 100_000}, says(text, "flood"), false, cutOff, netpoll.Slow, 1006},
	{"slow: write timeout", netpoll.Config{WriteTimeout: 200 * time.Millisecond, MaxQueue: 64 << 20}, says(text, "flood"), false, cutOff, netpoll.Slow, 1006},
	{"pong timeout", netpoll.Config{PingInterval: 100 * time.Millisecond, PongTimeout: 100 * time.Millisecond}, func(*peer) {}, false,
		"ping, reset|ping, cut|ping, eof", netpoll.PongTimeout, 1006},
	{"unfinished", netpoll.Config{MessageTimeout: 200 * time.Millisecond}, func(p *peer) { p.say(frame(text, "hello")[:8]) }, false, "close 1008, eof", netpoll.Unfinished, 1008},
	{"unfinished, fragments", netpoll.Config{MessageTimeout: 200 * time.Millisecond}, says(1, "hello"), false, "close 1008, eof", netpoll.Unfinished, 1008},
	{"panic", netpoll.Config{}, says(text, "panic"), false, "close 1011, eof", netpoll.HandlerPanic, 1011},
	{"panic in Pong", netpoll.Config{}, says(pong, ""), false, "close 1011, eof", netpoll.HandlerPanic, 1011},
}

// told is a handler that does what it is told, and notes the ends.
func told() *witness {
	w := newWitness()
	w.OnPong = func(netpoll.Conn, []byte) { panic("no pongs") }
	w.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) {
		switch string(data) {
		case "close":
			_ = c.Close(4000, "bye")
		case "push and close":
			_ = c.Push(op, []byte("before"))
			_ = c.Close(4000, "bye")
			if err := c.Push(op, []byte("after")); !errors.Is(err, netpoll.ErrClosed) {
				panic("pushed behind a close")
			}
		case "flood": // past what the kernel holds
			for range 200 {
				_ = c.Push(ws.OpBinary, make([]byte, 99_000))
			}
		case "panic":
			panic("told to")
		default:
			_ = c.Push(op, data)
		}
	}
	return w
}

func TestCloseCauses(t *testing.T) {
	for _, k := range causeCases {
		for _, secured := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", k.name, secured), func(t *testing.T) {
				t.Parallel()
				k.run(t, secured)
			})
		}
	}
}

func (k causeCase) run(t *testing.T, secured bool) {
	w := told()
	s, addr := serveAt(t, k.cfg, w, secured)
	bystander := connectPeer(t, addr, secured)
	receive(t, "open", w.opened)
	p := connectPeer(t, addr, secured)
	c := receive(t, "open", w.opened)
	if k.cause == netpoll.PongTimeout {
		bystander.c.Close()
		w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)
	}
	if k.do(p); k.cause == netpoll.Slow {
		eventually(t, "the close begins", func() bool { return !c.Exists() })
	}
	if k.wire != "" {
		got := p.rest(!k.silent)
		ok := false
		for want := range strings.SplitSeq(k.wire, "|") {
			ok = ok || got == want
		}
		if !ok {
			t.Errorf("the client gets: %.200s; want %s", got, k.wire)
		}
	}
	p.c.Close()
	w.expect(t, k.cause, k.code)
	if k.cause != netpoll.PongTimeout {
		bystander.say(frame(text, "still here"))
		bystander.expect(text, "still here")
		bystander.say(frame(closeOp, closePayload(1000, "")))
		bystander.rest(false)
		bystander.c.Close()
		w.expect(t, netpoll.ClientClosed, 1000)
	}
	st := s.Stats()
	if st.Closed[k.cause] < 1 || st.Opened != 2 || st.Open != 0 || len(w.closed) != 0 {
		t.Errorf("closed %v of %d opened, %d open, %d more calls of Close", st.Closed, st.Opened, st.Open, len(w.closed))
	}
	if st.Queued != 0 || st.Unfinished != 0 || st.Lagging != 0 {
		t.Errorf("left over: %d queued, %d unfinished, %d lagging", st.Queued, st.Unfinished, st.Lagging)
	}
}

// serveAt is a server of a test that runs beside others, which must not count
// descriptors.
func serveAt(t *testing.T, cfg netpoll.Config, h netpoll.Handler, secured bool) (*netpoll.Server, string) {
	t.Helper()
	if cfg.PingInterval == 0 {
		cfg.PingInterval = -1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := netpoll.New(cfg, h)
	t.Cleanup(func() { s.Close() })
	if secured {
		return s, secure(t, s)
	}
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return s, addr.String()
}

// However it trickles in, with or without a heartbeat, a message must end.
func TestCloseUnfinished(t *testing.T) {
	b := frame(text, strings.Repeat("x", 100_000))
	for _, ping := range []time.Duration{-1, 300 * time.Millisecond} {
		for name, first := range map[string]int{"header in two pieces": 1, "trickling": 20} {
			t.Run(fmt.Sprintf("%s, ping %v", name, ping), func(t *testing.T) {
				t.Parallel()
				w := told()
				_, addr := serveAt(t, netpoll.Config{MessageTimeout: 1500 * time.Millisecond, PingInterval: ping, PongTimeout: 300 * time.Millisecond}, w, false)
				p := connectPeer(t, addr, false)
				c := receive(t, "open", w.opened)
				write := func(b []byte) {
					at := bytesIn(c)
					p.say(b)
					eventually(t, "the piece is read", func() bool { return bytesIn(c) > at || !c.Exists() })
				}
				write(b[:first])
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				deadline := time.After(patience / 2)
				for i := first; len(w.closed) == 0 && c.Exists(); i++ {
					select {
					case <-tick.C:
						write(b[i : i+1])
					case <-deadline:
						t.Fatal("the message is still read")
					}
				}
				p.rest(true)
				w.expect(t, netpoll.Unfinished, 1008)
			})
		}
	}
}

// A panic in any callback: 1011 for its connection, the stack in the log.
func TestClosePanics(t *testing.T) {
	var log syncBuffer
	ended := make(chan netpoll.Closed, 10)
	s, addr := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, &netpoll.Funcs{
		OnOpen:  func(netpoll.Conn, *netpoll.Request) { panic("in Open") },
		OnClose: func(_ netpoll.Conn, why netpoll.Closed) { ended <- why; panic("in Close") },
	})
	p := connectPeer(t, addr, false)
	if got := p.rest(true); got != "close 1011, eof" {
		t.Errorf("the client gets %s", got)
	}
	if why := receive(t, "close", ended); why.Cause != netpoll.HandlerPanic || why.Code != 1011 {
		t.Errorf("closed as %v", why)
	}
	eventually(t, "both panics are counted and logged", func() bool { return s.Stats().Panics == 2 && strings.Contains(log.String(), "in Close") })
	if l := log.String(); !strings.Contains(l, "in Open") || !strings.Contains(l, "in Close") || !strings.Contains(l, "close_test.go") {
		t.Errorf("the log lacks a panic or its stack: %s", l)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// What never opened is counted, and told to no handler.
func TestCloseNeverOpened(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{HandshakeTimeout: 300 * time.Millisecond}, w)
	secureAddr := secure(t, s)
	for _, addr := range []string{addr, secureAddr} {
		dial(t, addr)           // says nothing
		dial(t, addr).c.Close() // breaks off
	}
	other := dial(t, secureAddr)
	other.write([]byte{22, 3, 1, 0, 4, 2, 0, 0, 0}) // no ClientHello
	if r := other.response(); r.StatusCode != http.StatusBadRequest {
		t.Errorf("no ClientHello: %s", r.Status)
	}
	other.c.Close()
	for _, secured := range []bool{false, true} {
		to := map[bool]string{false: addr, true: secureAddr}[secured]
		p := dialPeer(t, to, secured)
		p.say(bytes.Replace(upgrade(), []byte("Version: 13"), []byte("Version: 12"), 1))
		if r := p.response(); r.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("version 12: %s", r.Status)
		}
		p.c.Close()
		q := dialPeer(t, to, secured)
		q.say([]byte("GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
		if r := q.response(); r.StatusCode != http.StatusNotFound {
			t.Errorf("a request: %s", r.Status)
		}
	}
	want := map[netpoll.Cause]int64{netpoll.HandshakeTimeout: 2, netpoll.HandshakeFailed: 3, netpoll.Refused: 2, netpoll.HandedToHTTP: 2}
	eventually(t, "all are counted", func() bool {
		for cause, n := range want {
			if s.Stats().Closed[cause] != n {
				return false
			}
		}
		return true
	})
	if st := s.Stats(); st.Opened != 0 || len(w.opened)+len(w.closed) != 0 || st.Refused["websocket version"] != 2 {
		t.Errorf("opened %d, told %d and %d; refused %v", st.Opened, len(w.opened), len(w.closed), st.Refused)
	}
}

// At shutdown everybody gets 1001, not all at once; who does not answer holds
// it up only so long.
func TestCloseShutdown(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{CloseTimeout: 300 * time.Millisecond}, w)
	secureAddr := secure(t, s)
	ends := make(chan string, 20)
	for i := range 20 {
		p := connectPeer(t, map[bool]string{true: addr, false: secureAddr}[i%2 == 0], i%2 != 0)
		go func() { ends <- p.rest(i != 7) }()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx, 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	for range 20 {
		if got := receive(t, "the end", ends); got != "close 1001, eof" {
			t.Errorf("a client gets %s", got)
		}
		w.expect(t, netpoll.Shutdown, 1001)
	}
	if n := s.Stats().Closed[netpoll.Shutdown]; n != 20 {
		t.Errorf("%d closed", n)
	}
	if _, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"}); !errors.Is(err, netpoll.ErrServerClosed) {
		t.Errorf("Listen afterwards: %v", err)
	}
}

// When its time is over, Shutdown closes the rest as they are.
func TestCloseShutdownDeadline(t *testing.T) {
	w := newWitness()
	s, addr := serveAt(t, netpoll.Config{CloseTimeout: time.Hour}, w, false)
	p := connectPeer(t, addr, false)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	w.expect(t, netpoll.Shutdown, 1001)
	if got := p.rest(false); got != "close 1001, eof" {
		t.Errorf("the client gets %s", got)
	}
}
