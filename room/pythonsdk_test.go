package room_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"webim/netpoll"
	"webim/room/wire"
)

// pythonSDK sends what the official SDK for Python sends, byte for byte, and
// reads replies as it does: in JSON with json.loads, in Protobuf with
// MessageToDict. So a list that is null is a fault, as it is for that SDK.
type pythonSDK struct {
	*client
	t   *testing.T
	enc wire.Encoding
	id  int
}

// dialPython shakes hands. In JSON, the SDK's default, it offers an empty list of
// subprotocols.
func dialPython(t *testing.T, n *node, enc wire.Encoding) *pythonSDK {
	t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &pythonSDK{client: newClient(t, conn), t: t, enc: enc}
	offer := map[wire.Encoding]string{wire.JSON: "", wire.Protobuf: wire.SubprotocolProtobuf}[enc]
	head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: %s\r\n"+
		"User-Agent: Python/3.13 websockets/15.0.1\r\n\r\n", wire.EndpointPath, n.addr, offer)
	if _, err := conn.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	if err := p.readHead(); err != nil {
		t.Fatalf("the handshake: %v", err)
	}
	p.do(`{"id": %d, "connect": {"name": "python"}}`)
	return p
}

// do sends a command, whose %d is its id, and returns its reply.
func (p *pythonSDK) do(format string, args ...any) map[string]any {
	p.t.Helper()
	p.id++
	text := fmt.Sprintf(format, append([]any{p.id}, args...)...)
	op, message := ws.OpText, []byte(text)
	if p.enc == wire.Protobuf {
		var c protocol.Command
		if err := protojson.Unmarshal([]byte(text), &c); err != nil {
			p.t.Fatal(err)
		}
		b, err := proto.Marshal(&c)
		if err != nil {
			p.t.Fatal(err)
		}
		op, message = ws.OpBinary, append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	}
	if err := p.send(op, string(message)); err != nil {
		p.t.Fatal(err)
	}
	defer p.Wait()()
	for {
		_, frame, err := p.read()
		if err != nil {
			p.t.Fatalf("%s: %v", text, err)
		}
		for _, reply := range p.replies(frame) {
			if reply["id"] == float64(p.id) {
				if reply["error"] != nil {
					p.t.Fatalf("%s: %v", text, reply)
				}
				return reply
			}
		}
	}
}

func (p *pythonSDK) replies(frame []byte) (all []map[string]any) {
	p.t.Helper()
	lines := bytes.Split(bytes.TrimSpace(frame), []byte("\n"))
	if p.enc == wire.Protobuf {
		lines = nil
		for len(frame) > 0 {
			size, n := binary.Uvarint(frame)
			var r protocol.Reply
			if err := proto.Unmarshal(frame[n:n+int(size)], &r); err != nil {
				p.t.Fatal(err)
			}
			line, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&r)
			if err != nil {
				p.t.Fatal(err)
			}
			lines, frame = append(lines, line), frame[n+int(size):]
		}
	}
	for _, line := range lines {
		var reply map[string]any
		if err := json.Unmarshal(line, &reply); err != nil {
			p.t.Fatal(err)
		}
		if bytes.Contains(line, []byte("null")) {
			p.t.Errorf("%s has a null, over which the SDK would iterate", line)
		}
		all = append(all, reply)
	}
	return all
}

// listOf is a field as the SDK takes it: reply.get(name, []).
func listOf(result map[string]any, name string) []any {
	all, _ := result[name].([]any)
	return all
}

// data is a payload as the SDK encodes it.
func (p *pythonSDK) data(text string) string {
	if p.enc == wire.JSON {
		return text
	}
	return `"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"`
}

// The SDK's pattern get_state: it asks for the room's position, loads its state,
// and subscribes with recovery from there; then it comes back after a cut.
func TestPythonSDK(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		room := "python:" + enc.String()
		p := dialPython(t, n, enc)
		get := func(name, format string, args ...any) map[string]any {
			t.Helper()
			result, ok := p.do(format, args...)[name].(map[string]any)
			if !ok {
				t.Fatalf("%s: there is no %s in the reply", format, name)
			}
			return result
		}
		const history = `{"id": %d, "history": {"channel": "%s", "limit": %d, "reverse": false}}`
		const since = `{"id": %d, "history": {"channel": "%s", "limit": %d, "reverse": false, "since": {"offset": %v, "epoch": "%v"}}}`
		const subscribe = `{"id": %d, "subscribe": {"channel": "%s", "recoverable": true, "recover": true, "epoch": "%v", "offset": %v}}`
		offset := func(of map[string]any) any { // as the SDK takes it: of.get("offset", 0)
			if of["offset"] == nil {
				return 0
			}
			return of["offset"]
		}
		epoch := func(of map[string]any) string { text, _ := of["epoch"].(string); return text }

		if all := get("presence", `{"id": %d, "presence": {"channel": "%s"}}`, room); len(all) > 1 {
			t.Errorf("in an empty room are %v", all)
		}
		top := get("history", history, room, 0)
		if enc == wire.JSON && top["publications"] == nil {
			t.Errorf("the position of a room: %v", top)
		}
		got := get("subscribe", subscribe, room, epoch(top), offset(top))
		if got["recovered"] != true || len(listOf(got, "publications")) > 0 {
			t.Errorf("subscribing from a room's position: %v", got)
		}
		p.do(`{"id": %d, "publish": {"channel": "%s", "data": %s}}`, room, p.data(`{"input": "test"}`))
		now := get("history", history, room, -1)
		if len(listOf(now, "publications")) != 1 {
			t.Errorf("the history: %v", now)
		}
		for _, limit := range []int{-1, 0, 10} { // nothing is behind the top
			if none := get("history", since, room, limit, offset(now), epoch(now)); enc == wire.JSON && none["publications"] == nil || len(listOf(none, "publications")) > 0 {
				t.Errorf("behind the top, limit %d: %v", limit, none)
			}
		}
		if all := get("presence", `{"id": %d, "presence": {"channel": "%s"}}`, room); len(all["presence"].(map[string]any)) != 1 {
			t.Errorf("present: %v", all)
		}
		p.Conn.Close()

		p = dialPython(t, n, enc)
		got = get("subscribe", subscribe, room, epoch(top), offset(top))
		if got["recovered"] != true || got["was_recovering"] != true || len(listOf(got, "publications")) != 1 {
			t.Errorf("coming back: %v", got)
		}
		got = get("subscribe", subscribe, room+"2", "_", 0) // what it asks for when its state is invalid
		if got["recovered"] == true || got["was_recovering"] != true {
			t.Errorf("recovering from no position: %v", got)
		}
	})
}
