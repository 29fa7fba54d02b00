package main

import (
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
)

// In these tests, one file changes many limits. The tests of packages netpoll and room show for each field of their configurations
// what a change of it means for connections and rooms that are there.

var connectionLimits = []limit{
	{"max_conns", "20", "MaxConns"}, {"max_conns_per_ip", "19", "MaxConnsPerIP"}, {"max_handshakes_per_ip", "18", "MaxHandshakesPerIP"},
	{"max_head", "17KiB", "MaxHead"}, {"max_tls_handshakes", "17", "MaxTLSHandshakes"}, {"max_http", "16", "MaxHTTP"}, {"handshake_timeout", "11s", "HandshakeTimeout"},
	{"write_timeout", "31s", "WriteTimeout"}, {"close_timeout", "6s", "CloseTimeout"}, {"message_timeout", "3m", "MessageTimeout"}, {"max_message", "2KiB", "MaxMessage"},
	{"max_fragments", "15", "MaxFragments"}, {"max_unfinished", "64MiB", "MaxUnfinished"}, {"control_rate", "999", "ControlRate"}, {"max_first_message", "3KiB", "MaxRestricted"},
	{"max_queue", "2MiB", "MaxQueue"}, {"max_queued", "65MiB", "MaxQueued"}, {"high_water", "77KiB", "HighWater"}, {"low_water", "33KiB", "LowWater"}, {"deflate_min", "255", "DeflateMin"},
}

// reloadConnections changes the limits of connections, for those that are open, too.
func reloadConnections(t *testing.T) *reloading {
	const settings = "open: true\ninternal: 127.0.0.1:0\napi_key: " + picturesKey + "\n"
	r := startReloading(t, settings)
	c := connect(t, r.addr(), "/lobby")
	long := strings.Repeat("a", 3<<10)
	c.echo(long)
	before := r.server.Config()
	r.says(r.reload(settings+lines(connectionLimits)+"deflate: false\nproxy: [10.0.0.1, unix]\n"), "max_message (1MiB → 2KiB)")
	now := r.server.Config()
	compareLimits(t, r.now, now, connectionLimits)
	if !now.NoDeflate || len(now.Exempt) != 1 || !now.ExemptUnix {
		t.Errorf("no compression: %v, proxies: %v %v", now.NoDeflate, now.Exempt, now.ExemptUnix)
	}
	inner := r.inner.server.Config()
	if inner.MaxHead != 17<<10 || inner.WriteTimeout != now.WriteTimeout || len(inner.Exempt) != 1 {
		t.Errorf("inside: %d, %v, %v", inner.MaxHead, inner.WriteTimeout, inner.Exempt)
	}
	c.say(long)
	c.ExpectClose(1009)
	var all []*client
	for range 20 {
		all = append(all, connect(t, r.addr(), "/lobby"))
	}
	if more, status := dial(t, "tcp", r.addr(), "", nil); more != nil || status != 503 {
		t.Errorf("above max_conns: %d", status)
	}
	r.says(r.reload(settings), "max_message (2KiB → 1MiB)")
	if got := r.server.Config(); got.MaxConns != before.MaxConns || got.MaxMessage != before.MaxMessage || got.NoDeflate || got.ExemptUnix {
		t.Errorf("after another reload: %+v", got)
	}
	all[0].echo(long)
	return r
}

var roomLimits = []limit{
	{"max_publication", "100KiB", "MaxPublication"}, {"max_rooms", "3", "MaxRooms"}, {"max_members", "4", "MaxMembers"}, {"max_unswept", "5MiB", "MaxUnswept"}, {"max_pause", "26ms", "MaxPause"},
	{"max_conns_per_user", "7", "MaxConnsPerUser"}, {"max_rooms_per_conn", "2", "MaxRoomsPerConn"}, {"max_commands", "9", "MaxCommands"}, {"max_calls", "10", "MaxCalls"}, {"max_presence", "11", "MaxPresence"},
	{"max_text", "12KiB", "Text.Bytes"}, {"max_graphemes", "13", "Text.Graphemes"}, {"personal", "false", "Personal"}, {"max_reply", "14KiB", "MaxReply"}, {"max_replies", "15MiB", "MaxReplies"},
}

// reloadRoomLimits changes the limits of rooms, for a session that is open.
func reloadRoomLimits(t *testing.T) *reloading {
	r := startReloading(t, "open: true\n")
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	s.Connect(&protocol.ConnectRequest{})
	for _, room := range []string{"a", "b", "c"} {
		s.Subscribe(&protocol.SubscribeRequest{Channel: room})
	}
	r.says(r.reload("open: true\n"+lines(roomLimits)), "max_rooms_per_conn (128 → 2)")
	compareLimits(t, r.now, *r.hub.Config(), roomLimits)
	if err := s.ExpectError(&protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "d"}}); err.Code != 106 {
		t.Errorf("above max_rooms_per_conn: %v", err)
	}
	r.says(r.reload("open: true\n"), "max_rooms_per_conn (2 → 128)")
	s.Subscribe(&protocol.SubscribeRequest{Channel: "d"})
	s.Leave()
	return r
}

var rates = []limit{
	{"rate_join", "301/1m", "Rates.Join"}, {"rate_send", "1/24h", "Rates.Send"}, {"rate_typing", "303/1m", "Rates.Typing"}, {"rate_read", "304/1m", "Rates.Read"}, {"rate_rpc", "305/1m", "Rates.RPC"},
	{"rate_other", "306/1m", "Rates.Other"}, {"rate_input", "7MiB/1m", "Rates.Input"}, {"rate_fanout", "8MiB/1m", "Rates.Fanout"}, {"rate_recovered", "9MiB/1m", "Rates.Recovered"},
	{"user_rate_join", "311/1m", "UserRates.Join"}, {"user_rate_send", "312/1m", "UserRates.Send"}, {"user_rate_typing", "313/1m", "UserRates.Typing"}, {"user_rate_read", "314/1m", "UserRates.Read"},
	{"user_rate_rpc", "315/1m", "UserRates.RPC"}, {"user_rate_other", "316/1m", "UserRates.Other"}, {"user_rate_input", "17MiB/1m", "UserRates.Input"},
	{"user_rate_fanout", "18MiB/1m", "UserRates.Fanout"}, {"user_rate_recovered", "19MiB/1m", "UserRates.Recovered"}, {"max_refusals", "20/1m", "Refusals"},
}

// reloadRates changes the rates, for a session that is open.
func reloadRates(t *testing.T) *reloading {
	r := startReloading(t, "open: true\n")
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	s.Connect(&protocol.ConnectRequest{})
	r.says(r.reload("open: true\n"+lines(rates)), "rate_send (50/10s → 1/24h)")
	compareLimits(t, r.now, *r.hub.Config(), rates)
	s.Publish("a", `"one"`)
	if err := s.ExpectError(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "a", Data: []byte(`"two"`)}}); err.Code != 111 {
		t.Errorf("above the new rate: %v", err)
	}
	s.Leave()
	r.says(r.reload("open: true\n"), "rate_send (1/24h → 50/10s)")
	s = wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	s.Connect(&protocol.ConnectRequest{})
	s.Publish("a", `"one"`)
	s.Publish("a", `"two"`)
	s.Leave()
	return r
}

// TestReloadLimitsAsAWhole checks that the hub and the servers keep their limits if one of them refuses the new ones.
func TestReloadLimitsAsAWhole(t *testing.T) {
	r := startReloading(t, "open: true\n", "--internal", "127.0.0.1:0", "--api-key", picturesKey)
	before, hub := r.server.Config(), *r.hub.Config()
	next := *r.now
	next.MaxRooms, next.MaxMessage = 3, 2<<10
	if next.Loops = before.Loops + 1; r.takeOverLimits(&next) == nil {
		t.Fatal("the server has other loops")
	}
	if got := r.hub.Config(); got.MaxRooms != hub.MaxRooms || got.MaxIncoming != hub.MaxIncoming || r.server.Config().MaxMessage != before.MaxMessage {
		t.Errorf("after an error: %d rooms, %d and %d bytes", got.MaxRooms, got.MaxIncoming, r.server.Config().MaxMessage)
	}
	if next.Loops = r.now.Loops; r.takeOverLimits(&next) != nil || r.hub.Config().MaxRooms != 3 || r.server.Config().MaxMessage != 2<<10 {
		t.Error("without the error they are not changed")
	}
}
