package wire_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/proto"

	"webim/room/wire"
)

// The messages that the JavaScript SDK (npm's centrifuge 5.8.0) sent, taken from its socket while
// it connected with a token, data and one subscription to recover, and then made one of each call.
// Each string is one WebSocket message.
var golden = []struct {
	json, protobuf string // protobuf in hexadecimal
	methods        string
	commands       []*protocol.Command
}{
	{
		json: `{"connect":{"token":"TOKEN","data":{"guest":"ann"},"name":"js"},"id":1}
{"subscribe":{"channel":"lobby","token":"SUBTOKEN","positioned":true,"recoverable":true,"join_leave":true,"flag":1,"recover":true,"offset":5,"epoch":"xyz"},"id":2}`,
		protobuf: "200801221c0a05544f4b454e120f7b226775657374223a22616e6e227d22026a73" +
			"2608022a220a056c6f6262791208535542544f4b454e1801320378797a38054801500158017001",
		methods: "connect subscribe",
		commands: []*protocol.Command{
			{Id: 1, Connect: &protocol.ConnectRequest{Token: "TOKEN", Data: []byte(`{"guest":"ann"}`), Name: "js"}},
			{Id: 2, Subscribe: &protocol.SubscribeRequest{
				Channel: "lobby", Token: "SUBTOKEN", Positioned: true, Recoverable: true, JoinLeave: true,
				Flag: 1, Recover: true, Offset: 5, Epoch: "xyz",
			}},
		},
	},
	{json: `{}`, protobuf: "00", methods: "pong", commands: []*protocol.Command{nil}},
	{
		json:     `{"publish":{"channel":"lobby","data":{"text":"hello"}},"id":3}`,
		protobuf: "1d08033a190a056c6f62627912107b2274657874223a2268656c6c6f227d",
		methods:  "publish",
		commands: []*protocol.Command{{Id: 3, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte(`{"text":"hello"}`)}}},
	},
	{ // JSON.stringify keeps U+2028 and escapes the line end
		json:     `{"publish":{"channel":"lobby","data":{"text":"hello\nworld ` + "\u2028" + `"}},"id":3}`,
		methods:  "publish",
		commands: []*protocol.Command{{Id: 3, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte(`{"text":"hello\nworld ` + "\u2028" + `"}`)}}},
	},
	{ // an RPC without data
		json:     `{"rpc":{"method":"rooms","data":null},"id":4}`,
		methods:  "rpc",
		commands: []*protocol.Command{{Id: 4, Rpc: &protocol.RPCRequest{Method: "rooms", Data: []byte("null")}}},
	},
	{ // an RPC with bytes that are not text
		protobuf: "1008046a0c0a0300ff0a1205726f6f6d73",
		methods:  "rpc",
		commands: []*protocol.Command{{Id: 4, Rpc: &protocol.RPCRequest{Method: "rooms", Data: []byte("\x00\xff\n")}}},
	},
	{ // send has no id
		json:     `{"send":{"data":{"text":"hello"}}}`,
		protobuf: "1462120a107b2274657874223a2268656c6c6f227d",
		methods:  "send",
		commands: []*protocol.Command{{Send: &protocol.SendRequest{Data: []byte(`{"text":"hello"}`)}}},
	},
	{
		json:     `{"history":{"channel":"lobby","since":{"offset":3,"epoch":"xyz"},"limit":10,"reverse":true},"id":5}`,
		protobuf: "18080552140a056c6f626279380a42070803120378797a4801",
		methods:  "history",
		commands: []*protocol.Command{{Id: 5, History: &protocol.HistoryRequest{
			Channel: "lobby", Since: &protocol.StreamPosition{Offset: 3, Epoch: "xyz"}, Limit: 10, Reverse: true,
		}}},
	},
	{
		json:     `{"presence":{"channel":"lobby"},"id":6}`,
		protobuf: "0b080642070a056c6f626279",
		methods:  "presence",
		commands: []*protocol.Command{{Id: 6, Presence: &protocol.PresenceRequest{Channel: "lobby"}}},
	},
	{
		json:     `{"presence_stats":{"channel":"lobby"},"id":7}`,
		protobuf: "0b08074a070a056c6f626279",
		methods:  "presence_stats",
		commands: []*protocol.Command{{Id: 7, PresenceStats: &protocol.PresenceStatsRequest{Channel: "lobby"}}},
	},
	{ // a batch
		json: `{"publish":{"channel":"a","data":{"text":"hello"}},"id":8}
{"publish":{"channel":"b","data":{"text":"hello"}},"id":9}`,
		protobuf: "1908083a150a016112107b2274657874223a2268656c6c6f227d1908093a150a016212107b2274657874223a2268656c6c6f227d",
		methods:  "publish publish",
		commands: []*protocol.Command{
			{Id: 8, Publish: &protocol.PublishRequest{Channel: "a", Data: []byte(`{"text":"hello"}`)}},
			{Id: 9, Publish: &protocol.PublishRequest{Channel: "b", Data: []byte(`{"text":"hello"}`)}},
		},
	},
	{
		json:     `{"refresh":{"token":"NEWTOKEN"},"id":10}`,
		protobuf: "0e080a720a0a084e4557544f4b454e",
		methods:  "refresh",
		commands: []*protocol.Command{{Id: 10, Refresh: &protocol.RefreshRequest{Token: "NEWTOKEN"}}},
	},
	{
		json:     `{"sub_refresh":{"channel":"lobby","token":"NEWSUB"},"id":11}`,
		protobuf: "13080b7a0f0a056c6f62627912064e4557535542",
		methods:  "sub_refresh",
		commands: []*protocol.Command{{Id: 11, SubRefresh: &protocol.SubRefreshRequest{Channel: "lobby", Token: "NEWSUB"}}},
	},
	{
		json:     `{"unsubscribe":{"channel":"lobby"},"id":12}`,
		protobuf: "0b080c32070a056c6f626279",
		methods:  "unsubscribe",
		commands: []*protocol.Command{{Id: 12, Unsubscribe: &protocol.UnsubscribeRequest{Channel: "lobby"}}},
	},
}

func TestSDKCommands(t *testing.T) {
	for _, g := range golden {
		binary, err := hex.DecodeString(g.protobuf)
		if err != nil {
			t.Fatal(err)
		}
		for encoding, message := range map[wire.Encoding][]byte{wire.JSON: []byte(g.json), wire.Protobuf: binary} {
			if len(message) == 0 {
				continue // not used in this encoding
			}
			all, err := takeAll(encoding, message, 2)
			if err != nil {
				t.Errorf("%v %s: %v", encoding, message, err)
				continue
			}
			var methods []string
			for i, one := range all {
				methods = append(methods, one.method.String())
				if i < len(g.commands) && !proto.Equal(one.command, g.commands[i]) {
					t.Errorf("%v: %v, want %v", encoding, one.command, g.commands[i])
				}
				if err := wire.Check(one.method, one.command); err != nil {
					t.Errorf("%v %s: %v", encoding, message, err)
				}
			}
			if got := strings.Join(methods, " "); got != g.methods {
				t.Errorf("%v %s: %s, want %s", encoding, message, got, g.methods)
			}
		}
	}
}

// The messages that the same SDK received, byte for byte, and handled correctly: replies, pushes, a
// ping, several in one message. The official library wrote the Protobuf, and the SDK read it.
func TestSDKReplies(t *testing.T) {
	data := []byte(`{"text":"hi"}`)
	for _, c := range []struct {
		name           string
		replies        []*protocol.Reply
		json, protobuf string
	}{
		{
			"connect", []*protocol.Reply{{Id: 1, Connect: &protocol.ConnectResult{Client: "c1", Version: "webim", Expires: true, Ttl: 600, Ping: 25, Pong: true}}},
			`{"id":1,"connect":{"client":"c1","version":"webim","expires":true,"ttl":600,"ping":25,"pong":true}}`,
			"1808012a140a0263311205776562696d180120d80438194001",
		},
		{
			"subscribe", []*protocol.Reply{{Id: 2, Subscribe: &protocol.SubscribeResult{Recoverable: true, Epoch: "xyz", Offset: 7, Positioned: true}}},
			`{"id":2,"subscribe":{"recoverable":true,"epoch":"xyz","offset":7,"positioned":true}}`,
			"0f0802320b1801320378797a48075001",
		},
		{"ping", []*protocol.Reply{{}}, "{}", "00"},
		{
			"recovered", []*protocol.Reply{{Id: 2, Subscribe: &protocol.SubscribeResult{
				Recoverable: true, Epoch: "xyz", Publications: []*protocol.Publication{{Data: data, Offset: 6}},
				Recovered: true, Offset: 7, Positioned: true, WasRecovering: true,
			}}},
			`{"id":2,"subscribe":{"recoverable":true,"epoch":"xyz","publications":[{"data":{"text":"hi"},"offset":6}],"recovered":true,"offset":7,"positioned":true,"was_recovering":true}}`,
			"",
		},
		{
			"publication, ping, join", []*protocol.Reply{
				{Push: &protocol.Push{Channel: "lobby", Pub: &protocol.Publication{Data: data, Offset: 9}}},
				{},
				{Push: &protocol.Push{Channel: "lobby", Join: &protocol.Join{Info: &protocol.ClientInfo{User: "u", Client: "x"}}}},
			},
			`{"push":{"channel":"lobby","pub":{"data":{"text":"hi"},"offset":9}}}
{}
{"push":{"channel":"lobby","join":{"info":{"user":"u","client":"x"}}}}`,
			"",
		},
		{"publish", []*protocol.Reply{{Id: 3, Publish: &protocol.PublishResult{}}}, `{"id":3,"publish":{}}`, "0408034200"},
		{"unsubscribe", []*protocol.Reply{{Id: 3, Unsubscribe: &protocol.UnsubscribeResult{}}}, `{"id":3,"unsubscribe":{}}`, "0408033a00"},
		{
			"gap", []*protocol.Reply{wire.UnsubscribeInsufficientState.Push("lobby")},
			`{"push":{"channel":"lobby","unsubscribe":{"code":2500,"reason":"insufficient state"}}}`, "",
		},
		{
			"error", []*protocol.Reply{wire.ErrTooManyRequests.Reply(4)},
			`{"id":4,"error":{"code":111,"message":"too many requests","temporary":true}}`, "",
		},
	} {
		for encoding, want := range map[wire.Encoding]string{wire.JSON: c.json, wire.Protobuf: c.protobuf} {
			if want == "" {
				continue
			}
			var message []byte
			for _, r := range c.replies {
				var err error
				if message, err = wire.Append(message, encoding, r); err != nil {
					t.Fatal(c.name, err)
				}
			}
			got := string(message)
			if encoding == wire.Protobuf {
				got = hex.EncodeToString(message)
			}
			if got != want {
				t.Errorf("%s, %v:\n%s\nwant\n%s", c.name, encoding, got, want)
			}
		}
	}
}
