package room_test

import (
	"net"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/wire"
)

// TestEncodingOfTheURL: older clients ask for Protobuf in the URL; a subprotocol that
// is asked for decides before it, on whichever line it stands.
func TestEncodingOfTheURL(t *testing.T) {
	n := start(t, quietly(chatty()), netpoll.Config{})
	const json, protobuf = `{"id":1,"connect":{}}`, "\x04\x08\x01\x22\x00"
	for _, c := range []struct {
		query, headers string
		op             ws.OpCode
	}{
		{"", "", ws.OpText},
		{"?format=protobuf", "", ws.OpBinary},
		{"?cf_protocol=protobuf&cf_protocol_version=v2", "", ws.OpBinary},
		{"?format=json", "", ws.OpText},
		{"?format=protobuf", "Sec-WebSocket-Protocol: centrifuge-json\r\n", ws.OpText},
		{"", "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: centrifuge-protobuf\r\n", ws.OpBinary},
		{"", "Sec-WebSocket-Protocol: x, y\r\nSec-WebSocket-Protocol: \r\nSec-WebSocket-Protocol: z,centrifuge-protobuf\r\n", ws.OpBinary},
		{"", "Sec-WebSocket-Protocol: \r\n", ws.OpText},
	} {
		conn, err := net.Dial("tcp", n.addr)
		if err != nil {
			t.Fatal(err)
		}
		k := newClient(conn)
		head := upgrade(wire.EndpointPath+c.query, "", "")
		if _, err := conn.Write(append(head[:len(head)-2], c.headers+"\r\n"...)); err != nil {
			t.Fatal(err)
		}
		if err := k.readHead(); err != nil {
			t.Fatalf("%s %q: %v", c.query, c.headers, err)
		}
		said := json
		if c.op == ws.OpBinary {
			said = protobuf
		}
		if err := k.send(c.op, said); err != nil {
			t.Fatal(err)
		}
		if op, reply, err := k.read(); err != nil || op != c.op {
			t.Errorf("%s %q: answered with %x %q, %v", c.query, c.headers, op, reply, err)
		}
		conn.Close()
	}
}
