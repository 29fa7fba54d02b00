package netpoll_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// ended is what a handler learns of a connection that has ended.
type ended struct {
	why    netpoll.Closed
	flight netpoll.Flight
}

// kinds returns the events as text, such as "message 2x10".
func (e ended) kinds() string {
	var all []string
	for _, one := range e.flight.Events {
		text := fmt.Sprintf("%s %dx%d", one.Kind, one.Count, one.Bytes)
		if one.Code != 0 {
			text += fmt.Sprintf(" %d", one.Code)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// remembering serves clients that say what the server does, and tells of the ends of their connections and
// of those that never opened.
func remembering(t *testing.T, cfg netpoll.Config) (addr string, ends, never chan ended) {
	t.Helper()
	ends, never = make(chan ended, 10), make(chan ended, 10)
	tell := func(to chan ended) func(netpoll.Conn, netpoll.Closed) {
		return func(c netpoll.Conn, why netpoll.Closed) {
			f, ok := c.Flight()
			if info, there := c.Info(); !ok || !there || !info.Remote.Addr().IsLoopback() {
				t.Errorf("an ended connection has the flight %v and the info %+v", f, info)
			}
			to <- ended{why, f}
		}
	}
	cfg.NeverOpened = tell(never)
	_, addr = start(t, cfg, &netpoll.Funcs{
		OnHandshake: func(r *netpoll.Request) {
			if path, _ := r.Path(); path == "/no" {
				r.Refuse(http.StatusForbidden, "not you")
			}
		},
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
			switch string(data) {
			case "refuse":
				c.NoteRefusal(103)
			case "flood":
				for range 200 {
					_ = c.Push(ws.OpBinary, make([]byte, 99_000))
				}
			case "kick":
				_ = c.CloseBy(netpoll.ByOperator, 4000, "kicked")
			}
		},
		OnClose: tell(ends),
	})
	return addr, ends, never
}

// TestFlight checks what is remembered of a connection: its latest events, the length of its queue, and
// who ended it.
func TestFlight(t *testing.T) {
	addr, ends, _ := remembering(t, netpoll.Config{MaxQueue: 200_000})
	talker := wstest.Connect(t, addr)
	talker.SendBytes(append(append(wstest.Frame(text, "hello"), wstest.Frame(text, "refuse")...), wstest.Frame(text, "kick")...))
	talker.Rest(true)
	got := receive(t, "end", ends)
	if got.kinds() != "refusal 1x0 103, message 3x15" && got.kinds() != "message 1x5, refusal 1x0 103, message 2x10" || got.why.By != netpoll.ByOperator || got.why.Reason != "kicked" {
		t.Errorf("the talker: %+v, %s", got.why, got.kinds())
	}
	slow := wstest.Connect(t, addr)
	slow.Send(text, "flood")
	got = receive(t, "end", ends)
	if got.why.Cause != netpoll.Slow || got.why.By != netpoll.ByLimit || got.flight.HighWater < 50_000 || got.flight.HighWater > 300_000 || !strings.Contains(got.kinds(), "full 1x") {
		t.Errorf("the slow one: %+v, high water %d, %s", got.why, got.flight.HighWater, got.kinds())
	}
	quiet := wstest.Connect(t, addr)
	quiet.HangUp()
	quiet.Rest(false)
	if got = receive(t, "end", ends); got.why.By != netpoll.ByNetwork || len(got.flight.Events) > 0 || got.flight.HighWater != 0 || got.flight.RoundTrip != 0 {
		t.Errorf("the quiet one: %+v %+v", got.why, got.flight)
	}
}

// TestRoundTrip checks that the round trip of a ping is measured, and that an answer to a ping is no event.
func TestRoundTrip(t *testing.T) {
	addr, ends, _ := remembering(t, netpoll.Config{PingInterval: 100 * time.Millisecond, PongTimeout: time.Minute})
	p := wstest.Connect(t, addr)
	for {
		b0, payload, err := p.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if b0 == ping {
			p.Send(pong, string(payload))
			break
		}
	}
	p.Leave()
	got := receive(t, "end", ends)
	if got.flight.RoundTrip <= 0 || got.flight.RoundTrip > wstest.Patience || len(got.flight.Events) > 0 || got.why.By != netpoll.ByClient {
		t.Errorf("%+v after %+v", got.flight, got.why)
	}
}

// TestNeverOpened checks that each connection that never opens is told of with its reason, and others are not.
func TestNeverOpened(t *testing.T) {
	addr, ends, never := remembering(t, netpoll.Config{MaxHead: 600,
		Health: func(path string) (int, string) { return map[bool]int{true: 200}[path == "/health"], "ok" }})
	for _, c := range []struct {
		send   string
		cause  netpoll.Cause
		by     netpoll.Party
		code   ws.StatusCode
		reason string
	}{
		{string(wstest.UpgradePath("/no")), netpoll.Refused, netpoll.ByLimit, 403, "not you"},
		{string(wstest.UpgradePath("/", "Origin: https://evil.example")), netpoll.Refused, netpoll.ByLimit, 403, "origin is not allowed"},
		{"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 700) + "\r\n\r\n", netpoll.Refused, netpoll.ByLimit, 431, "the head of the request is too large, or has more than 64 lines"},
	} {
		p := wstest.Dial(t, addr)
		p.SendBytes([]byte(c.send))
		if got := receive(t, "end", never).why; got != (netpoll.Closed{Cause: c.cause, Code: c.code, Reason: c.reason, By: c.by}) {
			t.Errorf("after %.30q: %+v", c.send, got)
		}
	}
	late, _, lateNever := remembering(t, netpoll.Config{HandshakeTimeout: 100 * time.Millisecond})
	wstest.Dial(t, late)
	if got := receive(t, "end", lateNever).why; got != (netpoll.Closed{Cause: netpoll.HandshakeTimeout, Code: 1006, By: netpoll.ByLimit}) {
		t.Errorf("after silence: %+v", got)
	}
	for _, request := range []string{"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"} {
		p := wstest.Dial(t, addr)
		p.SendBytes([]byte(request))
		p.Response()
	}
	wstest.Connect(t, addr).Leave()
	receive(t, "end", ends)
	if len(never) > 0 {
		t.Errorf("also told of: %+v", receive(t, "end", never).why)
	}
}
