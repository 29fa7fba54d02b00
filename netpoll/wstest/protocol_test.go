package wstest

import (
	"fmt"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
)

// A reply is found behind pushes, which stay; pings are answered; the end has a code.
func TestProtocol(t *testing.T) {
	for _, binary := range []bool{false, true} {
		t.Run(fmt.Sprint("binary ", binary), func(t *testing.T) {
			op := ws.OpText
			if binary {
				op = ws.OpBinary
			}
			say := func(replies ...*protocol.Reply) ws.Frame {
				encoder := protocol.GetDataEncoder(map[bool]protocol.Type{false: protocol.TypeJSON, true: protocol.TypeProtobuf}[binary])
				for _, r := range replies {
					b, err := protocol.NewJSONReplyEncoder().Encode(r)
					if binary {
						b, err = protocol.NewProtobufReplyEncoder().Encode(r)
					}
					if err != nil {
						t.Fatal(err)
					}
					if err := encoder.Encode(b); err != nil {
						t.Fatal(err)
					}
				}
				return ws.NewFrame(op, true, append([]byte(nil), encoder.Finish()...))
			}
			push := &protocol.Reply{Push: &protocol.Push{Channel: "lobby", Pub: &protocol.Publication{Data: []byte(`"hello"`)}}}
			addr := script(t,
				say(&protocol.Reply{Id: 1, Connect: &protocol.ConnectResult{Client: "me"}}),
				say(push, &protocol.Reply{}), // and a ping
				say(&protocol.Reply{Id: 2, Subscribe: &protocol.SubscribeResult{}}),
				say(&protocol.Reply{Id: 3, Error: &protocol.Error{Code: 103, Message: "permission denied"}}),
				ws.NewCloseFrame(ws.NewCloseFrameBody(3501, "bad request")))
			p := OpenProtocol(t, addr, "/connection/websocket", binary)
			if id := p.Connect(&protocol.ConnectRequest{}).Client; id != "me" {
				t.Errorf("client %q", id)
			}
			p.Subscribe(&protocol.SubscribeRequest{Channel: "lobby"})
			if p.Pings != 1 {
				t.Errorf("%d pings", p.Pings)
			}
			if got := p.Push(); got.Channel != "lobby" || string(got.Pub.Data) != `"hello"` {
				t.Errorf("push %v", got)
			}
			if e := p.ExpectError(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte("1")}}); e.Code != 103 {
				t.Errorf("error %v", e)
			}
			if code, reason := p.Disconnected(); code != 3501 || reason != "bad request" {
				t.Errorf("%d %q", code, reason)
			}
		})
	}
}
