package room_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// bothEncodings are both encodings of the centrifuge dialect, for tests of each.
var bothEncodings = []wire.Encoding{wire.JSON, wire.Protobuf}

// protocolClient is a client of the Centrifuge dialect. It uses the protocol's own
// codecs, and nothing of package wire.
type protocolClient struct {
	*client
	enc    wire.Encoding
	id     uint32            // of the last command
	behind []*protocol.Reply // read from the wire, not yet taken
	pings  int               // of the server, each answered
	mute   bool              // they are not
}

// dialProtocol opens a connection that has not connected yet.
func dialProtocol(d *net.Dialer, addr string, enc wire.Encoding, extensions string) (*protocolClient, error) {
	subprotocol := ""
	if enc == wire.Protobuf {
		subprotocol = wire.SubprotocolProtobuf
	}
	c, status, err := dialAs(d, addr, wire.EndpointPath, extensions, subprotocol)
	if err == nil && status != http.StatusSwitchingProtocols {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return nil, err
	}
	return &protocolClient{client: c, enc: enc}, nil
}

// open opens a connection that has not connected yet.
func (n *node) open(enc wire.Encoding) *protocolClient {
	n.t.Helper()
	k, err := dialProtocol(new(net.Dialer), n.addr, enc, noDeflate)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { k.c.Close() })
	return k
}

// connect opens a connection and connects.
func (n *node) connect(enc wire.Encoding) *protocolClient {
	n.t.Helper()
	k := n.open(enc)
	if r := k.ask(n.t, &protocol.Command{Connect: &protocol.ConnectRequest{}}); r.Connect == nil || r.Connect.Client == "" {
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

// say sends commands in one message.
func (k *protocolClient) say(commands ...*protocol.Command) error {
	var all []byte
	for _, c := range commands {
		if k.enc == wire.JSON {
			b, err := protocol.NewJSONCommandEncoder().Encode(c)
			if err != nil {
				return err
			}
			if len(all) > 0 {
				all = append(all, '\n')
			}
			all = append(all, b...)
			continue
		}
		b, err := c.MarshalCF()
		if err != nil {
			return err
		}
		all = append(binary.AppendUvarint(all, uint64(len(b))), b...)
	}
	return k.raw(string(all))
}

// raw sends a message as it is.
func (k *protocolClient) raw(message string) error {
	if k.enc == wire.Protobuf {
		return k.send(ws.OpBinary, message)
	}
	return k.send(ws.OpText, message)
}

// closedWith is the error of a connection that the server closed.
type closedWith struct {
	code   ws.StatusCode
	reason string
}

func (c closedWith) Error() string { return fmt.Sprintf("closed with %d %s", c.code, c.reason) }

// next takes the next reply or push; pings are answered and counted.
func (k *protocolClient) next() (*protocol.Reply, error) {
	for len(k.behind) == 0 {
		if err := k.frame(); err != nil {
			return nil, err
		}
	}
	r := k.behind[0]
	k.behind = k.behind[1:]
	return r, nil
}

// frame reads one frame.
func (k *protocolClient) frame() error {
	op, payload, err := k.read()
	if err != nil {
		return err
	}
	if op == ws.OpClose {
		code, reason := ws.ParseCloseFrameData(payload)
		return closedWith{code, reason}
	}
	if want := map[wire.Encoding]ws.OpCode{wire.JSON: ws.OpText, wire.Protobuf: ws.OpBinary}[k.enc]; op != want {
		return fmt.Errorf("a frame of type %x, want %x", op, want)
	}
	all, err := replies(k.enc, payload)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Id == 0 && r.Push == nil && r.Error == nil {
			k.pings++
			if !k.mute {
				if err := k.raw(map[wire.Encoding]string{wire.JSON: "{}", wire.Protobuf: "\x00"}[k.enc]); err != nil {
					return err
				}
			}
			continue
		}
		k.behind = append(k.behind, r)
	}
	return nil
}

func replies(enc wire.Encoding, message []byte) (all []*protocol.Reply, err error) {
	var d protocol.ReplyDecoder = protocol.NewJSONReplyDecoder(message)
	if enc == wire.Protobuf {
		d = protocol.NewProtobufReplyDecoder(message)
	}
	for {
		r, err := d.Decode()
		if r != nil && (err == nil || err == io.EOF) {
			all = append(all, r)
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", message, err)
		}
	}
}

// ask sends a command and takes its reply; pushes that come before stay.
func (k *protocolClient) ask(t testing.TB, c *protocol.Command) *protocol.Reply {
	t.Helper()
	r, err := k.try(c)
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return r
}

func (k *protocolClient) try(c *protocol.Command) (*protocol.Reply, error) {
	k.id++
	c.Id = k.id
	if err := k.say(c); err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		for i == len(k.behind) {
			if err := k.frame(); err != nil {
				return nil, err
			}
		}
		if r := k.behind[i]; r.Id == c.Id {
			k.behind = append(k.behind[:i:i], k.behind[i+1:]...)
			return r, nil
		}
	}
}

// subscribe joins a room, which must work.
func (k *protocolClient) subscribe(t testing.TB, r *protocol.SubscribeRequest) *protocol.SubscribeResult {
	t.Helper()
	got := k.ask(t, &protocol.Command{Subscribe: r})
	if got.Subscribe == nil {
		t.Fatalf("subscribing to %q: %+v", r.Channel, got)
	}
	return got.Subscribe
}

func (k *protocolClient) publish(t testing.TB, room, data string) {
	t.Helper()
	if r := k.ask(t, &protocol.Command{Publish: &protocol.PublishRequest{Channel: room, Data: []byte(data)}}); r.Publish == nil {
		t.Fatalf("publishing %q to %q: %+v", data, room, r)
	}
}

// push takes the next push.
func (k *protocolClient) push(t testing.TB) *protocol.Push {
	t.Helper()
	r, err := k.next()
	if err != nil || r.Push == nil {
		t.Fatalf("want a push, got %+v, %v", r, err)
	}
	return r.Push
}

// expectError asks for what must be refused with a code.
func (k *protocolClient) expectError(t testing.TB, code wire.ErrorCode, c *protocol.Command) {
	t.Helper()
	r := k.ask(t, c)
	if r.Error == nil || wire.ErrorCode(r.Error.Code) != code || r.Error.Message != code.Text() || r.Error.Temporary != code.Temporary() {
		t.Errorf("%v: %v, want %v", c, r, code)
	}
}

// expectClose reads until the server closes with a code.
func (k *protocolClient) expectClose(t testing.TB, code wire.DisconnectCode) {
	t.Helper()
	for {
		_, err := k.next()
		if err == nil {
			continue
		}
		var end closedWith
		if !errors.As(err, &end) || end.code != ws.StatusCode(code) || end.reason != code.Text() {
			t.Errorf("%v, want %v", err, code)
		}
		k.c.Close()
		return
	}
}

// quietly is a configuration without pings, so that frames can be counted.
func quietly(c room.Config) room.Config {
	c.PingInterval = -1
	return c
}
