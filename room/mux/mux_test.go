package mux_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/centrifuge"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/roomtest"
	"webim/room/wire"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// start serves a hub with open rooms until the test ends, and checks then that no room is left.
func start(t *testing.T, cfg room.Config) (hub *room.Hub, addr string) {
	t.Helper()
	cfg.Engine, cfg.Anonymous, cfg.PingInterval = memory.New(memory.Limits{}), true, -1
	cfg.Options = policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options
	hub = room.NewHub(cfg)
	return hub, roomtest.Serve(t, hub, func(context.Context) {
		if st := hub.Stats(); st.Rooms+st.Members > 0 {
			t.Errorf("left in the hub: %+v", st)
		}
	})
}

// TestPathIsRoom checks that the unescaped path names the room of a plain client, and that "/" is the
// lobby.
func TestPathIsRoom(t *testing.T) {
	hub, addr := start(t, room.Config{})
	long := strings.Repeat("x", 255)
	for _, c := range []struct{ path, room string }{
		{"/", "lobby"},
		{"/?name=x", "lobby"},
		{"/lobby", "lobby"},
		{"/a", "a"},
		{"/a?b=c", "a"},
		{"/a/", "a/"},
		{"//", "/"},
		{"//a", "/a"},
		{"/a%2Fb", "a/b"},
		{"/%61", "a"},
		{"/%252F", "%2F"},
		{"/a+b", "a+b"},
		{"/a%20b", "a b"},
		{"/cafe%CC%81", "café"},
		{"/%E6%97%A5%E6%9C%AC", "日本"},
		{"/日本", "日本"},
		{"/" + long, long},
		{"/" + strings.Repeat("%C3%A9", 127), strings.Repeat("é", 127)},
		{"/api-team", "api-team"},
		{"/x/api", "x/api"},
		{"http://elsewhere/b", "b"},
		{"http://elsewhere", "lobby"},
	} {
		client := wstest.ConnectPath(t, addr, c.path)
		if rooms := hub.Rooms(); len(rooms) != 1 || rooms[0].Name() != c.room || rooms[0].Len() != 1 {
			t.Fatalf("%.40q leads to %d rooms, the first is %.40q", c.path, len(rooms), rooms[0].Name())
		}
		client.Send(0x81, c.path)
		client.Expect(0x81, c.path)
		client.Leave()
		wstest.Eventually(t, "the room ends", func() bool { return len(hub.Rooms()) == 0 })
	}
}

// TestRefusedPaths checks that a malformed path or name is refused with 400 and a path that belongs to
// neither dialect with 404, and that they leave no room behind.
func TestRefusedPaths(t *testing.T) {
	hub, addr := start(t, room.Config{})
	for status, paths := range map[int][]string{
		http.StatusBadRequest: {
			"/" + strings.Repeat("x", 256),
			"/" + strings.Repeat("%C3%A9", 128),
			"/%", "/%zz", "/%C3%",
			"/%ff", "/%C0%AF", "/%ED%A0%80", "/\xff",
			"/%00", "/a%00", "/%0d%0aX:%20y", "/%09", "/%1b[2J", "/%7f", "/%C2%85",
			"/%E2%80%A8", "/%E2%80%AE", "/%D8%9C", "/%E2%81%A6",
			"http://a b/", "no-slash", "",
		},
		http.StatusNotFound: {"/connection/websockets", "/connection", "/api", "/LIVE/feed", "/socket.io/", "/%61pi", "/health"},
	} {
		for _, path := range paths {
			r, err := wstest.Dial(t, addr).TryHandshake(path)
			if err != nil || r.StatusCode != status {
				t.Errorf("%.40q: %v, %v; want %d", path, r, err, status)
			}
		}
	}
	if st := hub.Stats(); st != (room.Stats{}) {
		t.Errorf("they left %+v", st)
	}
	if st := hub.Engine().(*memory.Engine).Stats(); st != (engine.Stats{}) {
		t.Errorf("the engine remembers %+v", st)
	}
}

// TestEndpointHasManySpellings checks that similar spellings of the endpoint's path are the endpoint or
// name a room, as wire.TargetOf says, and that no client of the protocol lands in a room by them.
func TestEndpointHasManySpellings(t *testing.T) {
	hub, addr := start(t, room.Config{})
	for _, path := range []string{
		centrifuge.Path, centrifuge.Path + "?x=y", "/connection/websocket/", "//connection/websocket", "/Connection/Websocket", "/connection%2Fwebsocket",
	} {
		client := wstest.ConnectPath(t, addr, path)
		unescaped, err := url.PathUnescape(strings.TrimSuffix(path, "?x=y"))
		if err != nil {
			t.Fatal(err)
		}
		client.Send(0x81, `{"id":1,"connect":{}}`)
		_, reply, err := client.ReadMessage()
		if target, name, _ := wire.TargetOf(unescaped); target == wire.TargetRoom {
			if rooms := hub.Rooms(); len(rooms) != 1 || rooms[0].Name() != name {
				t.Errorf("%s: %d rooms, want %s", path, len(rooms), name)
			}
		} else if err != nil || !strings.HasPrefix(string(reply), `{"id":1,"connect":{"client":`) {
			t.Errorf("%s: the endpoint says %s, %v", path, reply, err)
		}
		client.Leave()
	}
}

// TestPathDecidesTheDialect checks that neither a subprotocol nor the first message changes the dialect
// of a path: a room sends the bytes of a protocol command to its members, and the endpoint closes
// connections with other messages.
func TestPathDecidesTheDialect(t *testing.T) {
	_, addr := start(t, room.Config{})
	const connect = `{"id":1,"connect":{}}`
	for _, offered := range []string{"", "centrifuge-json", "centrifuge-protobuf"} {
		client := wstest.Dial(t, addr)
		r, err := client.TryHandshake("/r", "Sec-WebSocket-Protocol: "+offered)
		if err != nil || r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Protocol") != "" {
			t.Fatalf("%q: %v, %v", offered, r, err)
		}
		client.Send(0x81, connect)
		client.Expect(0x81, connect)
		client.Leave()
	}
	for _, message := range []string{"hello", `{"id":1}`, ""} {
		client := wstest.ConnectPath(t, addr, centrifuge.Path)
		client.Send(0x81, message)
		if got := client.Rest(true); got != "close 3501, eof" {
			t.Errorf("after %q the endpoint sends %s", message, got)
		}
	}
	client := wstest.ConnectPath(t, addr, centrifuge.Path) // without a subprotocol it is JSON
	client.Send(0x82, "\x04\x08\x01\x22\x00")
	client.ExpectClose(int(wire.DisconnectBadRequest))
}

// TestEncodingOfTheURL checks the encoding of the endpoint. The first subprotocol of the dialect
// decides, on whichever line it stands. Without one, the URL may ask for Protobuf, as older clients do.
func TestEncodingOfTheURL(t *testing.T) {
	_, addr := start(t, room.Config{})
	const json, protobuf = `{"id":1,"connect":{}}`, "\x04\x08\x01\x22\x00"
	const header = "Sec-WebSocket-Protocol: "
	for _, c := range []struct {
		query   string
		headers []string
		b0      byte
	}{
		{"", nil, 0x81},
		{"?format=protobuf", nil, 0x82},
		{"?cf_protocol=protobuf&cf_protocol_version=v2", nil, 0x82},
		{"?format=json", nil, 0x81},
		{"?format=protobuf", []string{header + "centrifuge-json"}, 0x81},
		{"", []string{header + "x", header + "centrifuge-protobuf"}, 0x82},
		{"", []string{header + "x, y", header, header + "z,centrifuge-protobuf"}, 0x82},
		{"", []string{header}, 0x81},
	} {
		client, command := wstest.ConnectPath(t, addr, centrifuge.Path+c.query, c.headers...), json
		if c.b0 == 0x82 {
			command = protobuf
		}
		client.Send(c.b0, command)
		if b0, reply, err := client.ReadFrame(); err != nil || b0 != c.b0 {
			t.Errorf("%s %q: answered with %x %q, %v", c.query, c.headers, b0, reply, err)
		}
		client.Leave()
	}
}

// TestOneRoomInBothDialects checks that members of both dialects share a room, and that the hub knows
// each of them until it leaves.
func TestOneRoomInBothDialects(t *testing.T) {
	hub, addr := start(t, room.Config{})
	plain := wstest.ConnectPath(t, addr, "/r")
	var sessions []*wstest.Protocol
	for _, binary := range []bool{false, true} {
		p := wstest.OpenProtocol(t, addr, centrifuge.Path, binary)
		p.Connect(&protocol.ConnectRequest{})
		p.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		sessions = append(sessions, p)
	}
	expect := func(data string) {
		t.Helper()
		for _, p := range sessions {
			if push := p.Push(); push.Channel != "r" || push.Pub == nil || string(push.Pub.Data) != data {
				t.Errorf("pushed %v, want %s", push, data)
			}
		}
	}
	plain.Send(0x81, "hello")
	plain.Expect(0x81, "hello")
	expect(`{"text":"hello"}`)
	sessions[0].Publish("r", `{"text":"hi"}`)
	plain.Expect(0x81, "hi")
	expect(`{"text":"hi"}`)
	for members := 2; members >= 0; members-- {
		if members == 2 {
			plain.Leave()
		} else {
			sessions[members].Leave()
		}
		wstest.Eventually(t, fmt.Sprint(members, " members are left"), func() bool { return hub.Stats().Members == members })
	}
}

// TestCloseCodes checks the code with which each dialect ends its connections at a shutdown.
func TestCloseCodes(t *testing.T) {
	ends := make(chan string, 2)
	t.Run("shutdown", func(shorter *testing.T) { // at its end the server stops
		_, addr := start(shorter, room.Config{})
		plain := wstest.ConnectPath(t, addr, "/r")
		p := wstest.OpenProtocol(t, addr, centrifuge.Path, false)
		p.Connect(&protocol.ConnectRequest{})
		for _, client := range []*wstest.Client{plain, p.Client} {
			go func() { ends <- client.Rest(true) }()
		}
	})
	got := map[string]bool{<-ends: true, <-ends: true}
	if !got["close 1001, eof"] || !got["close 3001, eof"] {
		t.Errorf("the clients saw %v", got)
	}
}
