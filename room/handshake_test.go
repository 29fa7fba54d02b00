//go:build !race

package room_test

import (
	"net/netip"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/mux"
	"webim/room/wire"
)

// gone is a hub that tells of each connection's end.
type gone struct {
	*mux.Handler
	ended chan bool
}

func (g gone) Close(c netpoll.Conn, why netpoll.Closed) {
	g.Handler.Close(c, why)
	g.ended <- true
}

// TestJoinAllocates: what a plain client's handshake allocates in a room that others
// are in is its callback at the poller, which it keeps, and at most a path, so that a
// storm of clients makes no garbage. Not under the race detector, which allocates by itself.
func TestJoinAllocates(t *testing.T) {
	for path, most := range map[string]float64{"/": 1, "/room-of-many": 2} {
		g := gone{mux.New(newHub(open(room.Config{}))), make(chan bool, 1)}
		n := startWith(t, g.Hub(), netpoll.Config{}, g)
		n.join(path, noDeflate)
		once := wstest.Visit(netip.MustParseAddrPort(n.addr), wstest.UpgradePath(path), nil, g.ended)
		once()
		if got := testing.AllocsPerRun(500, once); got > most {
			t.Errorf("%s: %v allocations; want %v at most", path, got, most)
		}
	}
}

// TestSessionAllocates: what a session of the Centrifuge dialect allocates until it is in
// a room, and then at its end.
func TestSessionAllocates(t *testing.T) {
	g := gone{mux.New(newHub(open(room.Config{}))), make(chan bool, 1)}
	n := startWith(t, g.Hub(), netpoll.Config{}, g)
	n.join("/room", noDeflate)
	commands := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"room"}}`))))
	once := wstest.Visit(netip.MustParseAddrPort(n.addr), wstest.UpgradePath(wire.EndpointPath), commands, g.ended)
	once()
	const most = 34 // the session, its subscription, what is decoded and what is answered
	if got := testing.AllocsPerRun(500, once); got > most {
		t.Errorf("%v allocations; want %v at most", got, most)
	}
}
