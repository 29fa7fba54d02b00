package wstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
)

// Protocol is a client of the Centrifuge protocol, version 2. It uses the protocol's own codecs and
// answers the server's pings.
type Protocol struct {
	*Client
	Binary  bool              // Protobuf instead of JSON
	ID      uint32            // of the last command of Ask or Try
	Replies []*protocol.Reply // read and not yet taken
	Pings   int               // of the server, until now
	Mute    bool              // do not answer them
}

// OpenProtocol opens a WebSocket for a path, which must work, and sends no command. binary selects
// Protobuf instead of JSON. Each header is a line without its end.
func OpenProtocol(t testing.TB, addr, path string, binary bool, headers ...string) *Protocol {
	t.Helper()
	return Dial(t, addr).Protocol(path, binary, headers...)
}

// Protocol is OpenProtocol over a connection of the test's.
func (c *Client) Protocol(path string, binary bool, headers ...string) *Protocol {
	c.t.Helper()
	p, err := c.TryProtocol(path, binary, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// TryProtocol is Protocol, and returns the error.
func (c *Client) TryProtocol(path string, binary bool, headers ...string) (*Protocol, error) {
	if binary {
		headers = slices.Concat(headers, []string{"Sec-WebSocket-Protocol: centrifuge-protobuf"})
	}
	r, err := c.TryHandshake(path, headers...)
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("handshake: %s", r.Status)
	}
	return &Protocol{Client: c, Binary: binary}, nil
}

// Say sends commands in one message. It gives them no number: Ask does.
func (p *Protocol) Say(commands ...*protocol.Command) error {
	var all []byte
	for i, c := range commands {
		if p.Binary {
			b, err := c.MarshalCF()
			if err != nil {
				return err
			}
			all = append(binary.AppendUvarint(all, uint64(len(b))), b...)
			continue
		}
		b, err := protocol.NewJSONCommandEncoder().Encode(c)
		if err != nil {
			return err
		}
		if i > 0 {
			all = append(all, '\n')
		}
		all = append(all, b...)
	}
	return p.SendMessage(string(all))
}

// SendMessage sends a message as it is.
func (p *Protocol) SendMessage(message string) error {
	b0 := byte(0x81)
	if p.Binary {
		b0 = 0x82
	}
	return p.TrySend(Frame(b0, message))
}

// A ClosedError says that the server has closed the connection with a Close frame.
type ClosedError struct {
	Code   int
	Reason string
}

func (e ClosedError) Error() string { return fmt.Sprintf("closed with %d %s", e.Code, e.Reason) }

// Next takes the next reply or push.
func (p *Protocol) Next() (*protocol.Reply, error) {
	defer p.Wait()()
	for len(p.Replies) == 0 {
		if err := p.ReadReplies(); err != nil {
			return nil, err
		}
	}
	r := p.Replies[0]
	p.Replies = p.Replies[1:]
	return r, nil
}

// ReadReplies reads one frame, adds its replies and pushes to Replies, and answers and counts its pings.
func (p *Protocol) ReadReplies() error {
	op, payload, err := p.ReadMessage()
	if err != nil {
		return err
	}
	if op == ws.OpClose {
		code, reason := ws.ParseCloseFrameData(payload)
		return ClosedError{int(code), reason}
	}
	if p.Binary != (op == ws.OpBinary) || op.IsControl() {
		return fmt.Errorf("a frame with the opcode %x", op)
	}
	all, err := p.decode(payload)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Id != 0 || r.Push != nil || r.Error != nil {
			p.Replies = append(p.Replies, r)
			continue
		}
		p.Pings++
		if p.Mute {
			continue
		}
		if err := p.pong(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Protocol) pong() error {
	if p.Binary {
		return p.SendMessage("\x00")
	}
	return p.SendMessage("{}")
}

func (p *Protocol) decode(message []byte) (all []*protocol.Reply, err error) {
	var d protocol.ReplyDecoder = protocol.NewJSONReplyDecoder(message)
	if p.Binary {
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

// Try sends a command under the next number and takes its reply. Pushes that come before the reply
// stay for Next.
func (p *Protocol) Try(c *protocol.Command) (*protocol.Reply, error) {
	defer p.Wait()()
	p.ID++
	c.Id = p.ID
	if err := p.Say(c); err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		for i == len(p.Replies) {
			if err := p.ReadReplies(); err != nil {
				return nil, err
			}
		}
		if r := p.Replies[i]; r.Id == c.Id {
			p.Replies = slices.Delete(p.Replies, i, i+1)
			return r, nil
		}
	}
}

// Ask is Try, and fails the test at an error. The reply may hold an error of the protocol.
func (p *Protocol) Ask(c *protocol.Command) *protocol.Reply {
	p.t.Helper()
	r, err := p.Try(c)
	if err != nil {
		p.t.Fatalf("%v: %v", c, err)
	}
	return r
}

// Connect sends a connect command, which must succeed.
func (p *Protocol) Connect(r *protocol.ConnectRequest) *protocol.ConnectResult {
	p.t.Helper()
	got := p.Ask(&protocol.Command{Connect: r})
	if got.Connect == nil || got.Connect.Client == "" {
		p.t.Fatalf("connecting: %+v", got)
	}
	return got.Connect
}

// Subscribe sends a subscribe command, which must succeed.
func (p *Protocol) Subscribe(r *protocol.SubscribeRequest) *protocol.SubscribeResult {
	p.t.Helper()
	got := p.Ask(&protocol.Command{Subscribe: r})
	if got.Subscribe == nil {
		p.t.Fatalf("subscribing to %q: %+v", r.Channel, got)
	}
	return got.Subscribe
}

// Publish publishes data to a channel, which must succeed.
func (p *Protocol) Publish(channel, data string) {
	p.t.Helper()
	got := p.Ask(&protocol.Command{Publish: &protocol.PublishRequest{Channel: channel, Data: []byte(data)}})
	if got.Publish == nil {
		p.t.Fatalf("publishing %q to %q: %+v", data, channel, got)
	}
}

// Push takes the next reply, which must be a push.
func (p *Protocol) Push() *protocol.Push {
	p.t.Helper()
	r, err := p.Next()
	if err != nil || r.Push == nil {
		p.t.Fatalf("want a push, got %+v, %v", r, err)
	}
	return r.Push
}

// ExpectError sends a command, which the server must refuse with an error of the protocol. It
// returns the error for a comparison.
func (p *Protocol) ExpectError(c *protocol.Command) *protocol.Error {
	p.t.Helper()
	r := p.Ask(c)
	if r.Error == nil {
		p.t.Fatalf("%v: %v, want an error", c, r)
	}
	return r.Error
}

// Disconnected reads to the Close frame and closes the socket. It returns the frame's code and
// reason.
func (p *Protocol) Disconnected() (code int, reason string) {
	p.t.Helper()
	defer p.Wait()()
	for {
		_, err := p.Next()
		if err == nil {
			continue
		}
		var end ClosedError
		if !errors.As(err, &end) {
			p.t.Fatalf("%v, want a Close frame", err)
		}
		p.Conn.Close()
		return end.Code, end.Reason
	}
}
