package room_test

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/mux"
)

// MaxRooms and MaxMembers are answered with 503, and again free when somebody
// leaves.
func TestRoomLimits(t *testing.T) {
	n := start(t, room.Config{MaxRooms: 2, MaxMembers: 2}, netpoll.Config{})
	refused := func(path string) {
		t.Helper()
		if _, status, err := n.dial(new(net.Dialer), path, noDeflate); err != nil || status != http.StatusServiceUnavailable {
			t.Fatalf("%s: %d, %v; want 503", path, status, err)
		}
	}
	politely := func(path string) {
		t.Helper()
		q, err := http.NewRequest(http.MethodGet, "http://"+n.addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		r, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
			t.Fatalf("%s: %s, %v; want 503 with Retry-After", path, r.Status, r.Header)
		}
	}
	a1, _ := n.join("/a", noDeflate), n.join("/a", deflate)
	refused("/a")
	politely("/a")
	b1 := n.join("/b", noDeflate)
	refused("/c")
	n.join("/b", noDeflate)
	refused("/b")
	a1.leave(t)
	wstest.Eventually(t, "a has a place", func() bool { return n.room("a").Len() == 1 })
	refused("/c")
	n.join("/a", noDeflate)
	if err := b1.send(ws.OpText, "still here"); err != nil {
		t.Fatal(err)
	}
	b1.expect(t, ws.OpText, "still here")
}

// gate lets handshakes through in twos: both have been judged before either
// joins.
type gate struct {
	*mux.Handler
	mu      sync.Mutex
	waiting chan struct{}
}

func (g *gate) Handshake(r *netpoll.Request) {
	g.Handler.Handshake(r)
	g.mu.Lock()
	second := g.waiting
	if second == nil {
		g.waiting = make(chan struct{})
		first := g.waiting
		g.mu.Unlock()
		select {
		case <-first:
		case <-time.After(wstest.Patience): // the other was refused
		}
		return
	}
	g.waiting = nil
	g.mu.Unlock()
	close(second)
}

// A limit holds for those that come at the same time, too.
func TestRoomLimitsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   room.Config
		paths [2]string
	}{
		{"rooms", room.Config{MaxRooms: 1}, [2]string{"/a", "/b"}},
		{"members", room.Config{MaxMembers: 1}, [2]string{"/a", "/a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub := newHub(open(c.cfg))
			n := startWith(t, hub, netpoll.Config{Workers: 2}, &gate{Handler: mux.New(hub)})
			var clients [2]*client
			var wg sync.WaitGroup
			for i, path := range c.paths {
				wg.Go(func() { clients[i], _, _ = n.dial(new(net.Dialer), path, noDeflate) })
			}
			wg.Wait()
			got := map[string]int{}
			for _, c := range clients {
				_ = c.send(ws.OpText, "am I in?")
				op, p, err := c.read()
				switch {
				case err == nil && op == ws.OpText:
					got["in"]++
				case err == nil && op == ws.OpClose && len(p) > 2 && p[0] == 1013>>8 && p[1] == 1013&0xff:
					got["told to try later"]++
				default:
					t.Errorf("%x %q, %v", op, p, err)
				}
				c.Conn.Close()
			}
			if got["in"] != 1 || got["told to try later"] != 1 {
				t.Errorf("%v; want one in, one told to try again later", got)
			}
		})
	}
}
