package live

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/token"
)

// Find returns users and connections of both dialects, with their rooms and times.
func TestFind(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	ann, bob := n.token(token.Claims{User: "ann"}), n.token(token.Claims{User: "bob"})
	first, id := n.chat(ann, "tea")
	n.chat(bob, "tea")
	plain := n.dial(n.addr, "/lobby?token="+ann)
	nobody := n.dial(n.addr, "/lobby")
	wstest.Eventually(t, "all have joined", func() bool { return n.hub.Stats().Members == 4 })

	w, _ := n.watch()
	m := w.find(`{"user":"ann"}`)
	if m.Found.User != "ann" || m.Found.All != 2 || len(m.Found.Connections) != 2 {
		t.Fatalf("ann: %+v", m.Found)
	}
	if at := time.UnixMilli(m.Found.At); time.Since(at) > wstest.Patience {
		t.Errorf("this was so at %v", at)
	}
	byAddress := map[string]clientRoomsJSON{}
	for _, c := range m.Found.Connections {
		if c.User != "ann" || c.IP != "127.0.0.1" || c.Opened <= 0 || c.Queued != 0 {
			t.Errorf("%+v", c)
		}
		byAddress[c.Address] = c
	}
	for _, c := range []struct {
		of            *client
		dialect, room string
	}{{first, "json", "tea"}, {plain, "plain", "lobby"}} {
		got := byAddress[c.of.Conn.LocalAddr().String()]
		if got.Dialect != c.dialect || fmt.Sprint(got.Rooms) != "["+c.room+"]" || got.InRooms != 1 {
			t.Errorf("%s: %+v", c.dialect, got)
		}
		again := w.find(fmt.Sprintf(`{"client":%q}`, got.Client)).Found
		if again.All != 1 || again.Connections[0].Address != got.Address || again.Connections[0].Opened != got.Opened {
			t.Errorf("%s: found again: %+v", got.Client, again)
		}
	}
	if byAddress[first.Conn.LocalAddr().String()].Client != id {
		t.Errorf("the client's id is %q", id)
	}
	for _, none := range []string{`{"user":"eve"}`, `{"client":"eve"}`, `{"client":"plain-"}`, `{"client":"plain-zz"}`, `{"client":"plain-ffffffffffffffff"}`,
		`{"client":"00000000-0000-4000-8000-000000000000"}`, `{"user":"ANN"}`} {
		if m := w.find(none); m.Found.All != 0 || len(m.Found.Connections) != 0 {
			t.Errorf("%s: %+v", none, m.Found)
		}
	}
	_ = plain.Conn.Close()
	wstest.Eventually(t, "it has left", func() bool { return n.hub.Stats().Members == 3 })
	if m := w.find(`{"user":"ann"}`); m.Found.All != 1 {
		t.Errorf("after one has left: %+v", m.Found)
	}
	_ = nobody

	for _, bad := range []string{`{}`, `{"user":"ann","client":"x"}`, `{"room":"tea","user":"ann"}`, `{"room":""}`, `{"room":"` + strings.Repeat("x", token.MaxPattern+1) + `"}`, `"ann"`, `{"user":7}`} {
		w, _ := n.watch()
		w.say(`{"find":%s}`, bad)
		if got := w.closed(); got != CodeBadRequest {
			t.Errorf("%s: closed with %d", bad, got)
		}
	}
}

// A client behind a listed proxy is shown with its own address, without a port.
func TestFindBehindProxy(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, netpoll.Config{})
	ann := n.token(token.Claims{User: "ann"})
	n.dialTo(n.addr, "/lobby?token="+ann, "X-Forwarded-For: 2001:db8::7")
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
	w, _ := n.watch()
	if m := w.find(`{"user":"ann"}`); m.Found.All != 1 || m.Found.Connections[0].IP != "2001:db8::7" || m.Found.Connections[0].Address != "2001:db8::7" {
		t.Errorf("%+v", m.Found)
	}
}

// The answer for a user with many connections is bounded, and says how many there are.
func TestFindMany(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	ann := n.token(token.Claims{User: "ann"})
	const many = maxFound + 5
	for range many {
		n.dial(n.addr, "/lobby?token="+ann)
	}
	wstest.Eventually(t, "all have joined", func() bool { return n.hub.Stats().Members == many })
	w, _ := n.watch()
	if m := w.find(`{"user":"ann"}`); m.Found.All != many || len(m.Found.Connections) != maxFound {
		t.Errorf("%d of %d", len(m.Found.Connections), m.Found.All)
	}
}
