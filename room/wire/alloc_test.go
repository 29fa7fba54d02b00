//go:build !race

package wire_test

import (
	"testing"

	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// lobby knows one name.
type lobby struct{}

func (lobby) Known(b []byte) (string, bool) { return wire.Lobby, string(b) == wire.Lobby }

// TestCodecAllocates checks that decoding and encoding make no more allocations than the benchmarks
// show. It does not run under the race detector, where a sync.Pool drops items on purpose.
func TestCodecAllocates(t *testing.T) {
	publish := &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: text128}}
	pub := &protocol.Publication{Data: text128, Offset: 1}
	buf := make([]byte, 0, 1024)
	decode := func(encoding wire.Encoding, message []byte) func() {
		return func() {
			commands, _ := wire.Decode(encoding, message, 1)
			_, _, _ = commands.Next()
		}
	}
	lent := func(encoding wire.Encoding, message []byte) func() {
		scratch := new(wire.Scratch)
		return func() {
			commands, _ := wire.Decode(encoding, message, 1)
			commands.Lend(scratch, lobby{})
			_, _, _ = commands.Next()
		}
	}
	for _, c := range []struct {
		name string
		most float64
		f    func()
	}{
		{"pong, JSON", 0, decode(wire.JSON, []byte("{}"))},
		{"pong, Protobuf", 0, decode(wire.Protobuf, []byte{0})},
		{"publish, JSON", 4, decode(wire.JSON, publish.AppendJSON(nil))},
		{"publish, Protobuf", 4, decode(wire.Protobuf, delimited(marshal(t, publish)))},
		{"usual publish, JSON", 0, lent(wire.JSON, publish.AppendJSON(nil))},
		{"usual publish, Protobuf", 0, lent(wire.Protobuf, delimited(marshal(t, publish)))},
		{"publication, JSON", 0, func() { _, _ = wire.AppendPublication(buf, wire.JSON, "lobby", pub) }},
		{"publication, Protobuf", 0, func() { _, _ = wire.AppendPublication(buf, wire.Protobuf, "lobby", pub) }},
		{"published, JSON", 0, func() { wire.AppendPublished(buf, wire.JSON, 7) }},
		{"published, Protobuf", 0, func() { wire.AppendPublished(buf, wire.Protobuf, 7) }},
		{"ping", 0, func() { wire.AppendPing(buf, wire.JSON) }},
		{"data", 0, func() { _, _ = wire.Data(false, text128) }},
	} {
		if got := testing.AllocsPerRun(100, c.f); got > c.most {
			t.Errorf("%s: %.0f allocations, at most %.0f", c.name, got, c.most)
		}
	}
}
