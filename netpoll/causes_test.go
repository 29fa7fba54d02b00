package netpoll_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// A cause is brought about by a client, or by what the handler does when it
// is told to.
type causeCase struct {
	name   string
	cfg    netpoll.Config
	do     func(p *wstest.Client)
	silent bool   // the client answers no Close frame
	wire   string // what it gets; "|" between what may be
	cause  netpoll.Cause
	code   ws.StatusCode
}

func says(b0 byte, payload string) func(p *wstest.Client) {
	return func(p *wstest.Client) { p.TrySend(wstest.Frame(b0, payload)) }
}

// cutOff is what may be seen of a close that is a reset.
const cutOff = "reset|cut|eof"

var causeCases = []causeCase{
	{"client closes", netpoll.Config{}, says(closeOp, wstest.ClosePayload(4001, "bye")), false, "close 4001, eof", netpoll.ClientClosed, 4001},
	{"client closes without a code", netpoll.Config{}, says(closeOp, ""), false, "close, eof", netpoll.ClientClosed, 1005},
	{"client ends its stream", netpoll.Config{}, (*wstest.Client).HangUp, false, "eof", netpoll.ClientGone, 1006},
	{"client resets", netpoll.Config{}, func(p *wstest.Client) { p.TCP().SetLinger(0); p.Conn.Close() }, false, "", netpoll.ClientGone, 1006},
	{"client's last words and end", netpoll.Config{}, func(p *wstest.Client) { p.TrySend(wstest.Frame(text, "last words")); p.HangUp() }, false, "text last words, eof", netpoll.ClientGone, 1006},
	{"server closes", netpoll.Config{}, says(text, "close"), false, "close 4000, eof", netpoll.ServerClosed, 4000},
	{"server closes, no answer", netpoll.Config{CloseTimeout: 200 * time.Millisecond}, says(text, "close"), true, "close 4000, " + "eof", netpoll.ServerClosed, 4000},
	{"server says something and closes", netpoll.Config{}, says(text, "push and close"), false, "text before, close 4000, eof", netpoll.ServerClosed, 4000},
	{"protocol error", netpoll.Config{}, says(0x83, ""), false, "close 1002, eof", netpoll.ProtocolError, 1002},
	{"protocol error, no answer", netpoll.Config{CloseTimeout: 200 * time.Millisecond}, says(0x83, ""), true, "close 1002, eof", netpoll.ProtocolError, 1002},
	{"bad text", netpoll.Config{}, says(text, "\xff"), false, "close 1007, eof", netpoll.BadText, 1007},
	{"too big", netpoll.Config{MaxMessage: 100}, says(text, strings.Repeat("x", 101)), false, "close 1009, eof", netpoll.TooBig, 1009},
	{"out of memory", netpoll.Config{MaxUnfinished: 64 << 10}, func(p *wstest.Client) { p.TrySend(append(wstest.FrameHead(bin, 200_000), make([]byte, 100_000)...)) }, false, "close 1013, eof", netpoll.OutOfMemory, 1013},
	{"control flood", netpoll.Config{ControlRate: 10}, func(p *wstest.Client) { p.TrySend(bytes.Repeat(wstest.Frame(ping, ""), 100)) }, false, "close 1008, eof", netpoll.ControlFlood, 1008},
	{"slow: queue", netpoll.Config{MaxQueue: 100_000}, says(text, "flood"), false, cutOff, netpoll.Slow, 1006},
	{"slow: write timeout", netpoll.Config{WriteTimeout: 200 * time.Millisecond, MaxQueue: 64 << 20}, says(text, "flood"), false, cutOff, netpoll.Slow, 1006},
	{"pong timeout", netpoll.Config{PingInterval: 100 * time.Millisecond, PongTimeout: 100 * time.Millisecond}, func(*wstest.Client) {}, false,
		"ping, reset|ping, cut|ping, eof", netpoll.PongTimeout, 1006},
	{"unfinished", netpoll.Config{MessageTimeout: 200 * time.Millisecond}, func(p *wstest.Client) { p.TrySend(wstest.Frame(text, "hello")[:8]) }, false, "close 1008, eof", netpoll.Unfinished, 1008},
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
	var bystander *wstest.Client
	opened := int64(1)
	if k.cause != netpoll.PongTimeout { // it would be late with its pong, too
		bystander = wstest.ConnectTLS(t, addr, secured)
		receive(t, "open", w.opened)
		opened++
	}
	p := wstest.ConnectTLS(t, addr, secured)
	c := receive(t, "open", w.opened)
	if k.do(p); k.cause == netpoll.Slow {
		wstest.Eventually(t, "the close begins", func() bool { return !c.Exists() })
	}
	if k.wire != "" {
		got := p.Rest(!k.silent)
		ok := false
		for want := range strings.SplitSeq(k.wire, "|") {
			ok = ok || got == want
		}
		if !ok {
			t.Errorf("the client gets: %.200s; want %s", got, k.wire)
		}
	}
	p.Conn.Close()
	w.expect(t, k.cause, k.code)
	if bystander != nil {
		bystander.TrySend(wstest.Frame(text, "still here"))
		bystander.Expect(text, "still here")
		bystander.TrySend(wstest.Frame(closeOp, wstest.ClosePayload(1000, "")))
		bystander.Rest(false)
		bystander.Conn.Close()
		w.expect(t, netpoll.ClientClosed, 1000)
	}
	st := s.Stats()
	if st.Closed[k.cause] < 1 || st.Opened != opened || st.Open != 0 || len(w.closed) != 0 {
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
