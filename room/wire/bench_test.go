package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

var text128 = []byte(`{"text":"` + strings.Repeat("x", 128-len(`{"text":""}`)) + `"}`)

// BenchmarkDecode measures decoding a client's message: no allocation for a pong, four for a
// publish (the command, the request, the channel, the data).
func BenchmarkDecode(b *testing.B) {
	publish := &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: text128}}
	long := &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)}}
	for _, c := range []struct {
		name     string
		encoding wire.Encoding
		message  []byte
	}{
		{"pong/json", wire.JSON, []byte("{}")},
		{"pong/protobuf", wire.Protobuf, []byte{0}},
		{"publish/json", wire.JSON, publish.AppendJSON(nil)},
		{"publish/protobuf", wire.Protobuf, delimited(marshal(b, publish))},
		{"1MB/json", wire.JSON, long.AppendJSON(nil)},
		{"1MB/protobuf", wire.Protobuf, delimited(marshal(b, long))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.message)))
			for b.Loop() {
				commands, err := wire.Decode(c.encoding, c.message, 100)
				if err == nil {
					_, _, err = commands.Next()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeLent measures decoding a publish into borrowed memory: no allocation.
func BenchmarkDecodeLent(b *testing.B) {
	publish := &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: text128}}
	for encoding, message := range map[wire.Encoding][]byte{wire.JSON: publish.AppendJSON(nil), wire.Protobuf: delimited(marshal(b, publish))} {
		b.Run(encoding.String(), func(b *testing.B) {
			b.ReportAllocs()
			scratch := new(wire.Scratch)
			for b.Loop() {
				commands, err := wire.Decode(encoding, message, 100)
				commands.Lend(scratch, nil)
				if err == nil {
					_, _, err = commands.Next()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppendPublication measures encoding a publication once for each encoding in use: no
// allocation.
func BenchmarkAppendPublication(b *testing.B) {
	p := &protocol.Publication{
		Data: text128, Offset: 123456, Time: 1_700_000_000_000,
		Info: &protocol.ClientInfo{User: "alice", Client: "5bd1a2a6-6b6f-4a0c-9d6a-1d1b5f3d2f10"},
	}
	for _, encoding := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		b.Run(encoding.String(), func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 1024)
			for b.Loop() {
				if _, err := wire.AppendPublication(buf, encoding, "lobby", p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkData measures checking data, and converting it to text.
func BenchmarkData(b *testing.B) {
	for _, size := range []int{128, 1 << 16} {
		data := []byte(`{"text":"` + strings.Repeat("x", size-len(`{"text":""}`)) + `"}`)
		for name, f := range map[string]func(){
			"Data":     func() { wire.Data(false, data) },
			"DataText": func() { wire.DataText(data) },
			"TextData": func() { wire.TextData(data) },
		} {
			b.Run(fmt.Sprint(name, "/", size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					f()
				}
			})
		}
	}
}
