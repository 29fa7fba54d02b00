package netpoll_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// beats are the heartbeats of these tests: 1 waits for answers, longer than a
// busy machine takes for them, 2 for none, and 3 but for a moment.
const (
	beatText = `{"beat":1}`
	floodLen = 30 // messages of 100 kB
)

func beats(t testing.TB) []netpoll.Heartbeat {
	t.Helper()
	f, err := netpoll.NewFrame(ws.OpText, []byte(beatText))
	if err != nil {
		t.Fatal(err)
	}
	return []netpoll.Heartbeat{
		{Frame: f, Interval: 1100 * time.Millisecond, Timeout: time.Second, Code: 3012, Reason: "no pong"},
		{Frame: f, Interval: 100 * time.Millisecond},
		{Frame: f, Interval: 250 * time.Millisecond, Timeout: 200 * time.Millisecond, Code: 3012, Reason: "no pong"},
	}
}

// beating is a server whose clients choose their heartbeat with "beat N", and
// may be told "flood"; "later" holds a connection until the test lets it go.
func beating(t *testing.T, cfg netpoll.Config, secured bool) (addr string, w *witness, held chan func()) {
	t.Helper()
	w, held = newWitness(), make(chan func(), 10)
	ids := []netpoll.HeartbeatID{0}
	w.OnMessage = func(c netpoll.Conn, op ws.OpCode, data []byte) {
		switch what, rest, _ := strings.Cut(string(data), " "); what {
		case "beat":
			i, _ := strconv.Atoi(rest)
			c.SetHeartbeat(ids[i])
		case "flood":
			for range floodLen {
				_ = c.Push(ws.OpBinary, make([]byte, 100_000))
			}
		case "later":
			held <- c.Later()
		default:
			_ = c.Push(op, data)
		}
	}
	if cfg.PingInterval == 0 {
		cfg.PingInterval = -1
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	if cfg.MessageTimeout == 0 {
		cfg.MessageTimeout = 80 * time.Millisecond // for the wheel's step alone: 10 ms
	}
	s := netpoll.New(cfg, w)
	t.Cleanup(func() { s.Close() })
	for _, b := range beats(t) {
		id, err := s.NewHeartbeat(b)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if secured {
		return secure(t, s), w, held
	}
	a, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return a.String(), w, held
}

// awaitBeats reads until so many heartbeats have come, answers each if it is to,
// and returns what else came.
func awaitBeats(t *testing.T, p *wstest.Client, count int, answer bool) (others int) {
	t.Helper()
	for count > 0 {
		b0, payload, err := p.ReadFrame()
		switch {
		case err != nil || b0 == closeOp:
			t.Fatalf("%d heartbeats to come: %02x %q, %v", count, b0, payload, err)
		case b0 == text && string(payload) == beatText:
			if count--; answer {
				p.TrySend(wstest.Frame(text, "beat-back"))
			}
		default:
			others++
		}
	}
	return others
}

func forTLS(t *testing.T, f func(t *testing.T, secured bool)) {
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secured), func(t *testing.T) {
			t.Parallel()
			f(t, secured)
		})
	}
}

// Heartbeats come every interval, to who is silent and to who talks.
func TestHeartbeatComesWhateverFlows(t *testing.T) {
	forTLS(t, func(t *testing.T, secured bool) {
		addr, _, _ := beating(t, netpoll.Config{}, secured)
		silent, busy := wstest.ConnectTLS(t, addr, secured), wstest.ConnectTLS(t, addr, secured)
		silent.TrySend(wstest.Frame(text, "beat 2"))
		awaitBeats(t, silent, 4, false) // nobody waits for its answer
		busy.TrySend(wstest.Frame(text, "beat 1"))
		for beaten, echoes := 0, 0; beaten < 3; {
			busy.TrySend(wstest.Frame(text, "busy"))
			b0, payload, err := busy.ReadFrame()
			switch {
			case err != nil || b0 != text:
				t.Fatalf("%02x %q, %v", b0, payload, err)
			case string(payload) == beatText:
				if beaten++; beaten == 3 && echoes < 5 {
					t.Fatalf("%d echoes and 3 heartbeats: nothing flowed", echoes)
				}
			default:
				echoes++
			}
		}
	})
}

// Who does not answer is closed, with the heartbeat's own code and reason.
func TestHeartbeatWithoutAnAnswer(t *testing.T) {
	forTLS(t, func(t *testing.T, secured bool) {
		addr, w, _ := beating(t, netpoll.Config{}, secured)
		p := wstest.ConnectTLS(t, addr, secured)
		p.TrySend(wstest.Frame(text, "beat 1"))
		awaitBeats(t, p, 2, true)
		p.TrySend(wstest.Frame(text, "beat 3"))
		awaitBeats(t, p, 1, false)
		b0, payload, err := p.ReadFrame()
		if err != nil || b0 != closeOp || string(payload) != wstest.ClosePayload(3012, "no pong") {
			t.Errorf("got %02x %q, %v", b0, payload, err)
		}
		p.Conn.Close()
		if why := receive(t, "close", w.closed); why.Cause != netpoll.PongTimeout || why.Code != 3012 || why.Reason != "no pong" {
			t.Errorf("closed as %+v", why)
		}
	})
}

// A connection can go back to WebSocket pings, and change its heartbeat.
func TestHeartbeatIsChanged(t *testing.T) {
	t.Parallel()
	addr, _, _ := beating(t, netpoll.Config{PingInterval: 100 * time.Millisecond, PongTimeout: 5 * time.Second}, false)
	p := wstest.ConnectTLS(t, addr, false)
	for _, id := range []string{"1", "2", "1"} {
		p.TrySend(wstest.Frame(text, "beat "+id))
		awaitBeats(t, p, 1, true)
	}
	p.TrySend(wstest.Frame(text, "beat 0"))
	for pings := 0; pings < 2; {
		b0, payload, err := p.ReadFrame()
		switch {
		case err != nil:
			t.Fatal(err)
		case b0 == ping:
			pings++
			p.TrySend(wstest.Frame(pong, string(payload)))
		case pings > 0 && string(payload) == beatText:
			t.Fatal("a heartbeat behind a ping")
		}
	}
}

// A blocked socket gets no heartbeats, which would only pile up, and nobody
// waits for its answers; neither for those of one that is not read.
func TestHeartbeatOfWhoCannotAnswer(t *testing.T) {
	t.Parallel()
	addr, w, held := beating(t, netpoll.Config{MaxQueue: 64 << 20, SendBuffer: 4096}, false)
	clock := wstest.ConnectTLS(t, addr, false)
	clock.TrySend(wstest.Frame(text, "beat 2"))
	stuck, later := wstest.ConnectTLS(t, addr, false), wstest.ConnectTLS(t, addr, false)
	stuck.TrySend(slices.Concat(wstest.Frame(text, "beat 3"), wstest.Frame(text, "flood")))
	later.TrySend(slices.Concat(wstest.Frame(text, "beat 3"), wstest.Frame(text, "later")))
	release := receive(t, "the connection is held", held)
	awaitBeats(t, clock, 10, false) // some intervals, and as many timeouts
	if len(w.closed) > 0 {
		t.Fatalf("closed: %+v", <-w.closed)
	}
	// From here on both answer, and have the time for it.
	stuck.TrySend(wstest.Frame(text, "beat 1"))
	later.TrySend(wstest.Frame(text, "beat 1"))
	release()
	go answerBeats(later)
	for flood, beaten := 0, 0; flood < floodLen; {
		b0, payload, err := stuck.ReadFrame()
		switch {
		case err != nil:
			t.Fatalf("behind %d messages: %v", flood, err)
		case b0 == bin:
			flood++
		case string(payload) == beatText:
			if beaten++; beaten > 4 { // one was out before it was stuck; a drained socket is not stuck
				t.Fatalf("%d heartbeats among %d messages", beaten, flood)
			}
			stuck.TrySend(wstest.Frame(text, "beat-back"))
		}
	}
	go answerBeats(stuck)
	awaitBeats(t, clock, 15, false)
	if len(w.closed) > 0 {
		t.Errorf("closed: %+v", <-w.closed)
	}
	stuck.Conn.Close()
	later.Conn.Close()
}

// answerBeats reads to the end.
func answerBeats(p *wstest.Client) {
	for b0, payload, err := p.ReadFrame(); err == nil; b0, payload, err = p.ReadFrame() {
		if b0 == text && string(payload) == beatText {
			p.TrySend(wstest.Frame(text, "beat-back"))
		}
	}
}

// A heartbeat that could not work is refused, and a server has three at most,
// all made before it listens.
func TestNewHeartbeat(t *testing.T) {
	good := beats(t)[0]
	for _, c := range []struct {
		name   string
		change func(h *netpoll.Heartbeat)
		ok     bool
	}{
		{"good", func(*netpoll.Heartbeat) {}, true},
		{"no answer awaited", func(h *netpoll.Heartbeat) { h.Timeout, h.Code = 0, 0 }, true},
		{"no frame", func(h *netpoll.Heartbeat) { h.Frame = nil }, false},
		{"too often", func(h *netpoll.Heartbeat) { h.Interval = 99 * time.Millisecond }, false},
		{"an interval below the timeout", func(h *netpoll.Heartbeat) { h.Timeout = h.Interval }, false},
		{"a negative timeout", func(h *netpoll.Heartbeat) { h.Timeout = -1 }, false},
		{"no code", func(h *netpoll.Heartbeat) { h.Code = 0 }, false},
		{"a code that may not be sent", func(h *netpoll.Heartbeat) { h.Code = 1006 }, false},
	} {
		h := good
		c.change(&h)
		if id, err := netpoll.New(netpoll.Config{}, echo()).NewHeartbeat(h); (err == nil) != c.ok || (id != 0) != c.ok {
			t.Errorf("%s: %d, %v", c.name, id, err)
		}
	}
	s := netpoll.New(netpoll.Config{}, echo())
	seen := map[netpoll.HeartbeatID]bool{}
	for range 3 {
		id, err := s.NewHeartbeat(good)
		if err != nil || seen[id] {
			t.Errorf("%d, %v", id, err)
		}
		seen[id] = true
	}
	if _, err := s.NewHeartbeat(good); err == nil {
		t.Error("a fourth was made")
	}
	late, _ := start(t, netpoll.Config{}, echo())
	if _, err := late.NewHeartbeat(good); err == nil {
		t.Error("one was made while the server listened")
	}
}

// Heartbeats come compressed to who asked for that, if they are long enough.
func TestHeartbeatIsCompressed(t *testing.T) {
	long := strings.Repeat("beat ", 200)
	f, err := netpoll.NewFrame(ws.OpText, []byte(long))
	if err != nil {
		t.Fatal(err)
	}
	var id netpoll.HeartbeatID
	s := netpoll.New(netpoll.Config{PingInterval: -1}, &netpoll.Funcs{OnOpen: func(c netpoll.Conn, _ *netpoll.Request) { c.SetHeartbeat(id) }})
	t.Cleanup(func() { s.Close() })
	if id, err = s.NewHeartbeat(netpoll.Heartbeat{Frame: f, Interval: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	plain, small := wstest.Connect(t, addr.String()), wstest.Connect(t, addr.String(), "Sec-WebSocket-Extensions: permessage-deflate")
	plain.Expect(text, long)
	b0, payload, err := small.ReadFrame()
	if err != nil || b0 != 0xc1 || len(payload) > 100 || bytes.Contains(payload, []byte("beat beat")) {
		t.Errorf("%02x, %d bytes, %v", b0, len(payload), err)
	}
}
