package room_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// bothEncodings are both encodings of the centrifuge dialect, for tests of each.
var bothEncodings = []wire.Encoding{wire.JSON, wire.Protobuf}

// protocolClient is a client of the Centrifuge dialect.
type protocolClient struct {
	*wstest.Protocol
	enc wire.Encoding
}

// protocolOver makes a client of a connection, without a handshake.
func protocolOver(t testing.TB, conn net.Conn, enc wire.Encoding) *protocolClient {
	return &protocolClient{&wstest.Protocol{Client: wstest.NewClient(t, conn), Binary: enc == wire.Protobuf}, enc}
}

// raw returns the client of the frames below the protocol.
func (k *protocolClient) raw() *client { return &client{k.Client} }

// dialProtocol opens a connection that has not connected yet.
func dialProtocol(t testing.TB, d *net.Dialer, addr string, enc wire.Encoding, extensions string) (*protocolClient, error) {
	d.Timeout = wstest.Patience
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	var headers []string
	if extensions != "" {
		headers = append(headers, "Sec-WebSocket-Extensions: "+extensions)
	}
	p, err := wstest.NewClient(t, conn).TryProtocol(wire.EndpointPath, enc == wire.Protobuf, headers...)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &protocolClient{p, enc}, nil
}

// open opens a connection that has not connected yet.
func (n *node) open(enc wire.Encoding) *protocolClient {
	n.t.Helper()
	k, err := dialProtocol(n.t, new(net.Dialer), n.addr, enc, noDeflate)
	if err != nil {
		n.t.Fatal(err)
	}
	return k
}

// connect opens a connection and connects.
func (n *node) connect(enc wire.Encoding) *protocolClient {
	n.t.Helper()
	k := n.open(enc)
	if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{}}); r.Connect == nil || r.Connect.Client == "" {
		n.t.Fatalf("connecting: %+v", r)
	}
	return k
}

// openConfig returns settings that give every right and every feature to everybody.
func openConfig() room.Config {
	open := policy.Options{Rights: policy.OpenRights(), History: engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Minute}, Recoverable: true, Presence: true, Notices: true}
	binary, bare := open, policy.Options{Rights: open.Rights}
	binary.Binary, binary.Presence, binary.Notices = true, false, false
	return room.Config{Anonymous: true, Rates: policy.NoRates, UserRates: policy.NoRates,
		Options: policy.Patterns{{Match: "bin:*", Options: binary}, {Match: "bare:*", Options: bare}, {Match: "*", Options: open}}.Options}
}

// expectError asks for what must be refused with a code.
func (k *protocolClient) expectError(t testing.TB, code wire.ErrorCode, c *protocol.Command) {
	t.Helper()
	r := k.Ask(c)
	if r.Error == nil || wire.ErrorCode(r.Error.Code) != code || r.Error.Message != code.Text() || r.Error.Temporary != code.Temporary() {
		t.Errorf("%v: %v, want %v", c, r, code)
	}
}

// expectClose reads until the server closes with a code.
func (k *protocolClient) expectClose(t testing.TB, code wire.DisconnectCode) {
	t.Helper()
	defer k.Wait()()
	for {
		_, err := k.Next()
		if err == nil {
			continue
		}
		var end wstest.ClosedError
		if !errors.As(err, &end) || end.Code != int(code) || end.Reason != code.Text() {
			t.Errorf("%v, want %v", err, code)
		}
		k.Conn.Close()
		return
	}
}

// quietly is a configuration without pings, so that frames can be counted.
func quietly(c room.Config) room.Config {
	c.PingInterval = -1
	return c
}
