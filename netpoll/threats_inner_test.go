package netpoll

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"webim/netpoll/internal/wheel"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// Threats whose guards cannot be told apart from each other over a socket.

// The connection keeps where its head was scanned to.
func TestHeadKeepsItsPlace(t *testing.T) {
	s := New(Config{}, nil)
	r := s.slab.Get()
	if !s.inputOf(r).KeepHead([]byte("GET / HTTP/1.1\r\nHost"), 20, 1) {
		t.Fatal("refused")
	}
	if in := s.inputs.At(r.input); in.Scanned != 20 || in.Lines != 1 || string(in.Rest) != "GET / HTTP/1.1\r\nHost" {
		t.Errorf("kept: %d, %d, %q", in.Scanned, in.Lines, in.Rest)
	}
	s.freeInput(r)
}

// asks sends a request for an upgrade and returns the status of the answer.
func asks(t *testing.T, c net.Conn, headers ...string) int {
	t.Helper()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", strings.Join(append(headers, ""), "\r\n"))
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

// isFree reports whether an address can open another connection. A refused client closes its own.
func isFree(t *testing.T, s *Server, addr string) bool {
	c := from(t, s, addr)
	if asks(t, c) == 101 {
		return true
	}
	c.Close()
	return false
}

// Half-open connections of one address, or of one /64, are few, and so are open
// ones; who is sent away meanwhile, and does not even ask why, takes no place.
func TestThreatHalfOpenOfOneAddress(t *testing.T) {
	for _, of := range [][4]string{{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"}} {
		s := serve(t, Config{MaxHandshakesPerIP: 2, MaxConnsPerIP: 3, HandshakeTimeout: time.Hour}, nil)
		first, second := from(t, s, of[0]), from(t, s, of[1])
		for range 2 { // also when the one before has gone
			c := from(t, s, of[2])
			if got := asks(t, c); got != 503 {
				t.Errorf("%s, the third handshake: %d", of[2], got)
			}
			c.Close()
			wstest.Eventually(t, "it has gone", func() bool { return s.refusing.Load() == 0 })
		}
		if got := asks(t, from(t, s, of[3])); got != 101 {
			t.Errorf("%s, of another: %d", of[3], got)
		}
		from(t, s, of[2]) // sent away, and silent
		if got := asks(t, first); got != 101 {
			t.Errorf("%s, of the first two: %d", of[0], got)
		}
		third := from(t, s, of[2])
		if got := asks(t, third); got != 101 {
			t.Errorf("%s, the third connection: %d", of[2], got)
		}
		if got := asks(t, from(t, s, of[0])); got != 503 {
			t.Errorf("%s, the fourth: %d", of[0], got)
		}
		second.Close()
		wstest.Eventually(t, "another of its address has its place", func() bool { return isFree(t, s, of[1]) })
		wstest.Eventually(t, "its handshake has failed", func() bool { return s.Stats().Closed[HandshakeFailed] >= 1 })
	}
}

// Who is sent away because the server is full takes no place of its address, either.
func TestThreatFullIsNotCounted(t *testing.T) {
	s := serve(t, Config{MaxConns: 2, MaxConnsPerIP: 2}, nil)
	one, two := from(t, s, "192.0.2.1"), from(t, s, "192.0.2.2")
	if a, b := asks(t, one), asks(t, two); a != 101 || b != 101 {
		t.Fatal(a, b)
	}
	away := from(t, s, "192.0.2.1")
	if got := asks(t, away); got != 503 {
		t.Errorf("over the bound of all: %d", got)
	}
	away.Close()
	two.Close()
	wstest.Eventually(t, "a second of its address has a place", func() bool { return isFree(t, s, "192.0.2.1") })
	wstest.Eventually(t, "no refused client is left", func() bool { return s.open.Load() == 2 && s.refusing.Load() == 0 })
}

// Whom a proxy names, and is sent away, is forgotten with the others, as the end of
// the server shows.
func TestThreatForwardedIsForgotten(t *testing.T) {
	s := serve(t, Config{MaxConnsPerIP: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, nil)
	for i, want := range []int{101, 503, 503, 101} {
		named := []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "2001:db8::1"}[i]
		if got := asks(t, from(t, s, "198.51.100.7"), "X-Forwarded-For: "+named); got != want {
			t.Errorf("%d, of %s: %d, want %d", i, named, got, want)
		}
	}
}

// A record has no pointer, so that the collector need not look at idle clients.
func TestRecordHasNoPointer(t *testing.T) {
	var look func(t reflect.Type, path string) string
	look = func(t reflect.Type, path string) string {
		switch k := t.Kind(); {
		case k == reflect.Struct:
			for i := range t.NumField() {
				if found := look(t.Field(i).Type, path+"."+t.Field(i).Name); found != "" {
					return found
				}
			}
			return ""
		case k == reflect.Array:
			return look(t.Elem(), path+"[]")
		case k >= reflect.Bool && k <= reflect.Complex128:
			return ""
		}
		return path
	}
	if found := look(reflect.TypeFor[record](), "record"); found != "" {
		t.Errorf("%s is, or has, a pointer", found)
	}
}

// Who was paused is not silent as long as what it said is not read, however late.
func TestPongUnreadIsAPong(t *testing.T) {
	for name, beat := range map[string]uint32{"WebSocket pings": 0, "a heartbeat": fHeartbeat0} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Config{PingInterval: time.Hour, PongTimeout: time.Second}, nil)
			s.heartbeats = append(s.heartbeats, heart())
			c, end := join(t, s, 0)
			wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.String() == "idle" })
			c.Pause()
			end.Write(wstest.Frame(0x8a, ""))
			wstest.Eventually(t, "the pong is there", func() bool { return c.r.flags.Load()&fReadable != 0 && c.r.turn.String() == "idle" })
			sent := s.clock.Last.Load() - 1000 // a ping, long ago
			c.r.deadline.Store(sent)
			c.r.seen.Store(sent - 1)
			c.r.flags.Or(fPinged | fTimer | beat)
			c.Resume()
			wstest.Eventually(t, "it is read, and nobody is closed", func() bool { return int32(c.r.seen.Load()-sent) > 0 || !c.Exists() })
			if !c.Exists() {
				t.Error("closed, though it had answered")
			}
		})
	}
}

func heart() activeHeartbeat {
	f, _ := NewFrame(ws.OpText, []byte("{}"))
	return activeHeartbeat{Heartbeat: Heartbeat{Frame: f, Code: 4000}, schedule: wheel.Schedule{Interval: 36000, Timeout: 10, Grain: 1, Fixed: true}}
}
