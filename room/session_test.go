package room_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/wire"
)

// forEncodings runs a test once in each encoding.
func forEncodings(t *testing.T, f func(t *testing.T, enc wire.Encoding)) {
	for _, enc := range bothEncodings {
		t.Run(enc.String(), func(t *testing.T) { f(t, enc) })
	}
}

// Every command gets the reply that is its own, with its id, whatever order the
// client numbers them in.
func TestEveryCommandIsAnswered(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.open(enc)
		commands := []*protocol.Command{
			{Id: 9, Connect: &protocol.ConnectRequest{Name: "raw", Version: "1"}},
			{Id: 3, Subscribe: &protocol.SubscribeRequest{Channel: "r"}},
			{Id: 1 << 31, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"n":1}`)}},
			{Id: 4, Presence: &protocol.PresenceRequest{Channel: "r"}},
			{Id: 5, PresenceStats: &protocol.PresenceStatsRequest{Channel: "r"}},
			{Id: 6, History: &protocol.HistoryRequest{Channel: "r", Limit: -1}},
			{Send: &protocol.SendRequest{Data: []byte(`{}`)}}, // needs no reply
			{Id: 7, Rpc: &protocol.RPCRequest{Method: "none", Data: []byte(`{}`)}},
			{Id: 8, Refresh: &protocol.RefreshRequest{Token: "x"}},
			{Id: 10, SubRefresh: &protocol.SubRefreshRequest{Channel: "r", Token: "x"}},
			{Id: 11, Ping: &protocol.PingRequest{}},
			{Id: 12, Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}},
			{Id: 13, Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}}, // again
			{Id: 14},
		}
		if err := k.Say(commands...); err != nil {
			t.Fatal(err)
		}
		want := map[uint32]func(*protocol.Reply) bool{
			9:       func(r *protocol.Reply) bool { return r.Connect != nil && r.Connect.Ping == 0 },
			3:       func(r *protocol.Reply) bool { return r.Subscribe != nil },
			1 << 31: func(r *protocol.Reply) bool { return r.Publish != nil },
			4:       func(r *protocol.Reply) bool { return r.Presence != nil && len(r.Presence.Presence) == 1 },
			5: func(r *protocol.Reply) bool {
				return r.PresenceStats.GetNumClients() == 1 && r.PresenceStats.NumUsers == 1
			},
			6:  func(r *protocol.Reply) bool { return len(r.History.GetPublications()) > 0 },
			7:  func(r *protocol.Reply) bool { return r.Error.GetCode() == 108 },
			8:  func(r *protocol.Reply) bool { return r.Error != nil },
			10: func(r *protocol.Reply) bool { return r.Error != nil },
			11: func(r *protocol.Reply) bool { return r.Ping != nil },
			12: func(r *protocol.Reply) bool { return r.Unsubscribe != nil },
			13: func(r *protocol.Reply) bool { return r.Unsubscribe != nil },
			14: func(r *protocol.Reply) bool { return r.Error.GetCode() == 104 },
		}
		for len(want) > 0 {
			r, err := k.Next()
			if err != nil {
				t.Fatalf("%v; without a reply: %v", err, want)
			}
			if r.Id == 0 {
				continue // the publication may have come before the command to leave
			}
			if ok := want[r.Id]; ok == nil || !ok(r) {
				t.Errorf("reply %d: %v", r.Id, r)
			}
			delete(want, r.Id)
		}
		k.raw().leave(t)
	})
}

// The replies to one message's commands leave together, in one frame.
func TestRepliesLeaveTogether(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.connect(enc)
		var all []*protocol.Command
		for i := range 100 {
			all = append(all, &protocol.Command{Id: uint32(1000 + i), Ping: &protocol.PingRequest{}})
		}
		if err := k.Say(all...); err != nil {
			t.Fatal(err)
		}
		if err := k.ReadReplies(); err != nil {
			t.Fatal(err)
		}
		if len(k.Replies) != 100 {
			t.Fatalf("%d replies in the frame, want 100", len(k.Replies))
		}
		for i, r := range k.Replies {
			if r.Id != uint32(1000+i) || r.Ping == nil {
				t.Errorf("reply %d: %v", i, r)
			}
		}
	})
}

// What is not the protocol closes the connection, once, with its code.
func TestSessionCloseCodes(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	connect := `{"id":1,"connect":{}}`
	for _, c := range []struct {
		name     string
		enc      wire.Encoding
		messages []string
		code     wire.DisconnectCode
	}{
		{"subscribe before connect", wire.JSON, []string{`{"id":1,"subscribe":{"channel":"r"}}`}, wire.DisconnectBadRequest},
		{"send before connect", wire.JSON, []string{`{"send":{"data":{}}}`}, wire.DisconnectBadRequest},
		{"publish before connect, in one message", wire.JSON, []string{`{"id":1,"publish":{"channel":"r","data":{}}}` + "\n" + connect}, wire.DisconnectBadRequest},
		{"connect twice", wire.JSON, []string{connect, `{"id":2,"connect":{}}`}, wire.DisconnectBadRequest},
		{"connect twice in one message", wire.JSON, []string{connect + "\n" + connect}, wire.DisconnectBadRequest},
		{"connect twice, protobuf", wire.Protobuf, []string{"\x04\x08\x01\x22\x00\x04\x08\x02\x22\x00"}, wire.DisconnectBadRequest},
		{"not JSON", wire.JSON, []string{`hello`}, wire.DisconnectBadRequest},
		{"half a command", wire.JSON, []string{`{"id":1,"conn`}, wire.DisconnectBadRequest},
		{"an empty message", wire.JSON, []string{``}, wire.DisconnectBadRequest},
		{"an array", wire.JSON, []string{`[` + connect + `]`}, wire.DisconnectBadRequest},
		{"two requests in a command", wire.JSON, []string{connect, `{"id":2,"ping":{},"presence":{"channel":"r"}}`}, wire.DisconnectBadRequest},
		{"a command without an id", wire.JSON, []string{connect, `{"subscribe":{"channel":"r"}}`}, wire.DisconnectBadRequest},
		{"a length that lies", wire.Protobuf, []string{"\x7f\x08\x01\x22\x00"}, wire.DisconnectBadRequest},
		{"JSON to protobuf", wire.Protobuf, []string{connect}, wire.DisconnectBadRequest},
		{"an invalid token", wire.JSON, []string{`{"id":1,"connect":{"token":"x.y.z"}}`}, wire.DisconnectInvalidToken},
		{"a binary room in JSON", wire.JSON, []string{connect, `{"id":2,"subscribe":{"channel":"bin:1"}}`}, wire.DisconnectInappropriateProtocol},
		{"too many commands", wire.JSON, []string{connect, strings.Repeat(`{"id":2,"ping":{}}`+"\n", 257)}, wire.DisconnectBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := n.open(c.enc)
			for _, m := range c.messages {
				if err := k.SendMessage(m); err != nil {
					t.Fatal(err)
				}
			}
			k.expectClose(t, c.code)
		})
	}
	forEncodings(t, func(t *testing.T, enc wire.Encoding) { // the other type of frame
		k := n.open(enc)
		op := ws.OpBinary
		if enc == wire.Protobuf {
			op = ws.OpText
		}
		if err := k.raw().send(op, `{"id":1,"connect":{}}`); err != nil {
			t.Fatal(err)
		}
		k.expectClose(t, wire.DisconnectBadRequest)
	})
}

// What a connection is told of itself: an id of its own, and how it is pinged.
func TestConnectReply(t *testing.T) {
	c := openConfig()
	c.Version, c.PingInterval, c.PongTimeout = "webim test", 24500*time.Millisecond, 2*time.Second
	n := start(t, c, netpoll.Config{})
	ids := map[string]bool{}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for i := range 20 {
		k := n.open(bothEncodings[i%2])
		r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{}}).Connect
		if !uuid.MatchString(r.Client) || ids[r.Client] || r.Version != "webim test" || r.Ping != 25 || !r.Pong || r.Expires || r.Session != "" {
			t.Errorf("%v", r)
		}
		ids[r.Client] = true
	}
	c.PongTimeout = -1
	k := start(t, c, netpoll.Config{}).open(wire.JSON)
	if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{}}).Connect; r.Ping != 25 || r.Pong {
		t.Errorf("without a pong timeout: %v", r)
	}
	strict := start(t, room.Config{Options: openConfig().Options}, netpoll.Config{}).open(wire.JSON)
	if err := strict.SendMessage(`{"id":1,"connect":{}}`); err != nil {
		t.Fatal(err)
	}
	strict.expectClose(t, wire.DisconnectInvalidToken)
}

// A connection without a connect command is closed in time, and only that.
func TestSilentConnectionsAreClosed(t *testing.T) {
	c := openConfig()
	c.ConnectTimeout = time.Second
	n := start(t, c, netpoll.Config{})
	talks, gone := n.connect(wire.JSON), n.open(wire.JSON)
	gone.Conn.Close()
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.open(enc)
		if err := k.SendMessage(map[wire.Encoding]string{wire.JSON: "{}", wire.Protobuf: "\x00"}[enc]); err != nil { // a pong is no command
			t.Fatal(err)
		}
		k.expectClose(t, wire.DisconnectStale)
	})
	if r := talks.Ask(&protocol.Command{Ping: &protocol.PingRequest{}}); r.Ping == nil {
		t.Errorf("who has connected: %v", r)
	}
	wstest.Eventually(t, "nobody is waited for", func() bool { return len(n.hub.Timers().Times()) == 0 })
}

// A server that stops says so in each dialect.
func TestShutdownCodes(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	plain, ends := n.join("/r", noDeflate), make(chan string, 3)
	for _, enc := range bothEncodings {
		k := n.connect(enc)
		k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		k.Wait()
		go func() {
			for {
				if _, err := k.Next(); err != nil {
					ends <- err.Error()
					k.Conn.Close()
					return
				}
			}
		}()
	}
	go func() {
		op, payload, err := plain.read()
		code, _ := ws.ParseCloseFrameData(payload)
		ends <- fmt.Sprint(op, code, err)
		plain.Conn.Close()
	}()
	n.stop()
	got := map[string]int{}
	for range 3 {
		got[<-ends]++
	}
	if got["closed with 3001 shutdown"] != 2 || got["8 1001 <nil>"] != 1 {
		t.Errorf("%v", got)
	}
}
