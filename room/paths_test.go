package room_test

import (
	"net"
	"net/http"
	"net/url"
	"testing"

	"webim/netpoll"
	"webim/room/wire"
)

// TestPathsOverTheWire: a client that misses its endpoint is answered in the
// protocol or by 404, and never let into a room.
func TestPathsOverTheWire(t *testing.T) {
	n := start(t, quietly(chatty()), netpoll.Config{})
	for path, want := range map[string]int{
		"/connection/websocket/": 101, "//connection/websocket": 101, "/Connection/Websocket": 101, "/connection%2Fwebsocket": 101,
		"/connection/websockets": 404, "/connection": 404, "/api": 404, "/LIVE/feed": 404, "/socket.io/": 404, "/%61pi": 404, "/health": 404,
		"/api-team": 101, "/x/api": 101,
	} {
		c, status, err := dial(new(net.Dialer), n.addr, path, noDeflate)
		if err != nil || status != want {
			t.Errorf("%s: %d, %v; want %d", path, status, err, want)
			continue
		}
		if status != http.StatusSwitchingProtocols {
			continue
		}
		t.Cleanup(func() { c.c.Close() })
		unescaped, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		if target, room, _ := wire.TargetOf(unescaped); target == wire.TargetRoom {
			if n.room(room).Len() != 1 {
				t.Errorf("%s: nobody is in the room %s", path, room)
			}
			continue
		}
		c.say(t, `{"id":1,"connect":{}}`)
		if got := c.reply(t); field(t, got, "connect", "client") == nil {
			t.Errorf("%s: the endpoint says %s", path, got)
		}
	}
}
