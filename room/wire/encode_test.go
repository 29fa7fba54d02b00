package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"webim/room/wire"
)

// readReplies reads a WebSocket message as the Go SDK does.
func readReplies(encoding wire.Encoding, message []byte) (all []*protocol.Reply, err error) {
	var d protocol.ReplyDecoder = protocol.NewJSONReplyDecoder(message)
	if encoding == wire.Protobuf {
		d = protocol.NewProtobufReplyDecoder(message)
	}
	for {
		r, err := d.Decode()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
}

// drawText, drawData and the other draw functions make random contents of messages.
var (
	drawText = rapid.StringN(0, 12, 40)
	drawName = rapid.StringMatching(`[a-z0-9:#é<"\\]{1,12}`)
	drawData = rapid.Custom(func(t *rapid.T) protocol.Raw {
		value := map[string]any{"text": drawText.Draw(t, "text")}
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			value["n"] = rapid.Float64Range(-1e9, 1e9).Draw(t, "n")
		case 1:
			value["list"] = []any{nil, true, drawText.Draw(t, "item")}
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return data
	})
	drawInfo = rapid.Custom(func(t *rapid.T) *protocol.ClientInfo {
		return &protocol.ClientInfo{User: drawText.Draw(t, "user"), Client: drawText.Draw(t, "client"), ConnInfo: drawData.Draw(t, "info")}
	})
	drawPublication = rapid.Custom(func(t *rapid.T) *protocol.Publication {
		return &protocol.Publication{
			Data: drawData.Draw(t, "data"), Offset: rapid.Uint64().Draw(t, "offset"), Time: rapid.Int64().Draw(t, "time"),
			Info: rapid.OneOf(rapid.Just[*protocol.ClientInfo](nil), drawInfo).Draw(t, "info"),
			Tags: rapid.MapOfN(drawText, drawText, 0, 2).Draw(t, "tags"),
		}
	})
	drawReply = rapid.Custom(func(t *rapid.T) *protocol.Reply {
		id := rapid.Uint32Min(1).Draw(t, "id")
		room := drawName.Draw(t, "room")
		switch rapid.IntRange(0, 7).Draw(t, "reply") {
		case 0:
			return &protocol.Reply{}
		case 1:
			return wire.ErrorCode(rapid.Uint32Range(100, 112).Draw(t, "code")).Reply(id)
		case 2:
			return &protocol.Reply{Push: &protocol.Push{Channel: room, Pub: drawPublication.Draw(t, "pub")}}
		case 3:
			return &protocol.Reply{Push: &protocol.Push{Channel: room, Leave: &protocol.Leave{Info: drawInfo.Draw(t, "who")}}}
		case 4:
			return &protocol.Reply{Id: id, History: &protocol.HistoryResult{
				Publications: rapid.SliceOfN(drawPublication, 0, 3).Draw(t, "pubs"), Epoch: drawText.Draw(t, "epoch"),
			}}
		case 5:
			return &protocol.Reply{Id: id, Presence: &protocol.PresenceResult{Presence: map[string]*protocol.ClientInfo{room: drawInfo.Draw(t, "who")}}}
		case 6:
			return &protocol.Reply{Id: id, Rpc: &protocol.RPCResult{Data: drawData.Draw(t, "data")}}
		}
		return &protocol.Reply{Id: id, Connect: &protocol.ConnectResult{
			Client: drawText.Draw(t, "client"), Data: drawData.Draw(t, "data"), Ping: 25, Pong: true,
			Subs: map[string]*protocol.SubscribeResult{room: {Epoch: "e", Offset: 1}},
		}}
	})
	drawCommand = rapid.Custom(func(t *rapid.T) *protocol.Command {
		c := &protocol.Command{Id: rapid.Uint32Min(1).Draw(t, "id")}
		room, text := drawName.Draw(t, "room"), drawText.Draw(t, "text")
		switch rapid.IntRange(0, 8).Draw(t, "command") {
		case 0:
			c.Publish = &protocol.PublishRequest{Channel: room, Data: drawData.Draw(t, "data")}
		case 1:
			c.Subscribe = &protocol.SubscribeRequest{Channel: room, Token: text, Offset: rapid.Uint64().Draw(t, "offset"), Epoch: text, Recover: true}
		case 2:
			c.Connect = &protocol.ConnectRequest{
				Token: text, Data: drawData.Draw(t, "data"), Headers: rapid.MapOfN(drawText, drawText, 0, 2).Draw(t, "headers"),
				Subs: map[string]*protocol.SubscribeRequest{room: {Epoch: text}},
			}
		case 3:
			c.History = &protocol.HistoryRequest{Channel: room, Limit: rapid.Int32().Draw(t, "limit"), Since: &protocol.StreamPosition{Epoch: text}}
		case 4:
			c.Rpc = &protocol.RPCRequest{Method: text, Data: drawData.Draw(t, "data")}
		case 5:
			c.Id, c.Send = 0, &protocol.SendRequest{Data: drawData.Draw(t, "data")}
		case 6:
			c.SubRefresh = &protocol.SubRefreshRequest{Channel: room, Track: []*protocol.TrackBatch{{Signature: text}}, Untrack: []string{text}}
		case 7:
			c.Ping = &protocol.PingRequest{}
		default:
			c.Presence = &protocol.PresenceRequest{Channel: room}
		}
		return c
	})
)

// TestRepliesReadBack checks that the SDK's decoder, encoding/json and the official Protobuf
// library, which share nothing with the encoder, read the output of Append.
func TestRepliesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		replies := rapid.SliceOfN(drawReply, 1, 4).Draw(t, "replies")
		for _, encoding := range []wire.Encoding{wire.JSON, wire.Protobuf} {
			var message []byte
			for _, r := range replies {
				var err error
				if message, err = wire.Append(message, encoding, r); err != nil {
					t.Fatal(err)
				}
			}
			got, err := readReplies(encoding, message)
			if err != nil || len(got) != len(replies) {
				t.Fatalf("%v: %d replies of %d, %v", encoding, len(got), len(replies), err)
			}
			official := officialReplies(t, encoding, message)
			for i, want := range replies {
				if !proto.Equal(got[i], want) || !proto.Equal(official[i], want) {
					t.Fatalf("%v %q: %v and %v, want %v", encoding, message, got[i], official[i], want)
				}
			}
		}
	})
}

func officialReplies(t *rapid.T, encoding wire.Encoding, message []byte) (all []*protocol.Reply) {
	for len(message) > 0 {
		r, one, rest := new(protocol.Reply), message, []byte(nil)
		var err error
		if encoding == wire.JSON {
			one, rest, _ = bytes.Cut(message, []byte{'\n'})
			err = json.Unmarshal(one, r)
		} else {
			size, n := binary.Uvarint(message)
			one, rest = message[n:n+int(size)], message[n+int(size):]
			err = proto.Unmarshal(one, r)
		}
		if err != nil {
			t.Fatalf("%v %q: %v", encoding, one, err)
		}
		all, message = append(all, r), rest
	}
	return all
}

// TestCommandsReadBack checks that a command is the same in both encodings, whichever library wrote
// it.
func TestCommandsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		commands := rapid.SliceOfN(drawCommand, 1, 4).Draw(t, "commands")
		var lines, encoded, std, official []byte
		for _, c := range commands {
			line, _ := protocol.NewJSONCommandEncoder().Encode(c)
			lines = append(append(lines, line...), '\n')
			one, _ := protocol.NewProtobufCommandEncoder().Encode(c)
			encoded = append(encoded, one...)
			if line, err := json.Marshal(c); err != nil {
				t.Fatal(err)
			} else {
				std = append(append(std, line...), "\r\n"...)
			}
			if one, err := proto.Marshal(c); err != nil {
				t.Fatal(err)
			} else {
				official = append(official, delimited(string(one))...)
			}
		}
		for name, m := range map[string]struct {
			encoding wire.Encoding
			message  []byte
		}{
			"JSON": {wire.JSON, lines}, "encoding/json": {wire.JSON, std},
			"Protobuf": {wire.Protobuf, encoded}, "official Protobuf": {wire.Protobuf, official},
		} {
			all, err := takeAll(m.encoding, m.message, len(commands))
			if err != nil || len(all) != len(commands) {
				t.Fatalf("%s %q: %d commands of %d, %v", name, m.message, len(all), len(commands), err)
			}
			for i, want := range commands {
				if !proto.Equal(all[i].command, want) {
					t.Fatalf("%s: %v, want %v", name, all[i].command, want)
				}
			}
		}
	})
}

// TestAppendPublicationAndJoin checks that AppendPublication writes the same push as Append, and
// that Join joins encoded messages in the same way.
func TestAppendPublicationAndJoin(t *testing.T) {
	p := &protocol.Publication{Data: []byte(`{"text":"hi"}`), Offset: 3, Tags: map[string]string{"kind": "edit"}}
	for _, encoding := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		want, err := wire.Append(nil, encoding, &protocol.Reply{Push: &protocol.Push{Channel: "lobby", Pub: p}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.AppendPublication(nil, encoding, "lobby", p)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %q, %v; want %q", encoding, got, err, want)
		}
		message := wire.Join(nil, encoding, got)
		message = wire.AppendPing(message, encoding)
		message = wire.Join(message, encoding, got)
		replies, err := readReplies(encoding, message)
		if err != nil || len(replies) != 3 || !proto.Equal(replies[0], replies[2]) || !proto.Equal(replies[1], &protocol.Reply{}) {
			t.Errorf("%v: %q is %v, %v", encoding, message, replies, err)
		}
	}
}

// TestAppendRefusesBrokenJSON checks that no data can look like another reply on a JSON connection:
// Append refuses data that is not one value anywhere except in lists (see
// TestAppendSaysTheRestOfAList), and keeps the message written before.
func TestAppendRefusesBrokenJSON(t *testing.T) {
	for _, data := range []string{
		"{", "nope", `1,"b":2`, "{}\n{}", "{} {}", "\"\xff\"", "\x00\x01", `"a` + "\n" + `b"`,
		"1}}}\n{\"push\":{\"channel\":\"lobby\",\"pub\":{\"data\":\"forged\"}}}\n{\"x\":{\"y\":{\"z\":1",
	} {
		raw := protocol.Raw(data)
		info := &protocol.ClientInfo{ConnInfo: raw}
		for name, r := range map[string]*protocol.Reply{
			"publication": {Push: &protocol.Push{Channel: "a", Pub: &protocol.Publication{Data: raw}}},
			"info":        {Push: &protocol.Push{Channel: "a", Pub: &protocol.Publication{Data: []byte("1"), Info: info}}},
			"chan info":   {Push: &protocol.Push{Channel: "a", Join: &protocol.Join{Info: &protocol.ClientInfo{ChanInfo: raw}}}},
			"message":     {Push: &protocol.Push{Message: &protocol.Message{Data: raw}}},
			"rpc":         {Id: 1, Rpc: &protocol.RPCResult{Data: raw}},
			"connect":     {Id: 1, Connect: &protocol.ConnectResult{Data: raw}},
			"subs":        {Id: 1, Connect: &protocol.ConnectResult{Subs: map[string]*protocol.SubscribeResult{"a": {Data: raw}}}},
		} {
			message, err := wire.Append([]byte("{}"), wire.JSON, r)
			if !errors.Is(err, wire.ErrBadRequest) || string(message) != "{}" {
				t.Errorf("%s with %q: %q, %v", name, data, message, err)
			}
			if _, err := wire.Append(nil, wire.Protobuf, r); err != nil {
				t.Errorf("%s with %q in Protobuf: %v", name, data, err)
			}
		}
	}
}

// TestAppendEscapes checks that names and texts are JSON strings, whatever they contain.
func TestAppendEscapes(t *testing.T) {
	evil := "\"}\n{}\r\u2028\x00<script>\\"
	message, err := wire.Append(nil, wire.JSON, &protocol.Reply{Push: &protocol.Push{Channel: evil, Pub: &protocol.Publication{
		Data: []byte("1"), Tags: map[string]string{evil: evil}, Info: &protocol.ClientInfo{User: evil, Client: evil},
	}}})
	if err != nil || bytes.ContainsAny(message, "\r\n\x00") || strings.Contains(string(message), "\u2028") {
		t.Fatalf("%q, %v", message, err)
	}
	var r protocol.Reply
	if err := json.Unmarshal(message, &r); err != nil || r.Push.Channel != evil || r.Push.Pub.Tags[evil] != evil || r.Push.Pub.Info.User != evil {
		t.Errorf("%q is %v, %v", message, &r, err)
	}
}

// TestAppendPublicationAtTheSameTime checks that concurrent encoding does not mix the bytes of
// rooms.
func TestAppendPublicationAtTheSameTime(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		room := fmt.Sprint("room", i)
		p := &protocol.Publication{Data: []byte(strconv.Quote(room)), Offset: uint64(i + 1)}
		want := fmt.Sprintf(`{"push":{"channel":%q,"pub":{"data":%q,"offset":%d}}}`, room, room, i+1)
		wg.Go(func() {
			for range 500 {
				if got, err := wire.AppendPublication(nil, wire.JSON, room, p); err != nil || string(got) != want {
					t.Errorf("%s, %v; want %s", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
