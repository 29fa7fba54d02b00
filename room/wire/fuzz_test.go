package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/proto"

	"webim/room/wire"
)

// fuzzLimit limits the commands of a fuzzed message.
const fuzzLimit = 16

// decodeChecked decodes a message and checks the properties of every message: an error closes with
// 3501, commands do not change with the buffer, and their fields are within the limits. It never
// panics.
func decodeChecked(t *testing.T, encoding wire.Encoding, message []byte) ([]taken, error) {
	before := bytes.Clone(message)
	all, err := takeAll(encoding, message, fuzzLimit)
	if !bytes.Equal(message, before) {
		t.Fatalf("decoding changed %q to %q", before, message)
	}
	if code := wire.DisconnectCode(0); err != nil && (!errors.As(err, &code) || code != wire.DisconnectBadRequest) {
		t.Fatalf("%q: %v does not close with 3501", before, err)
	}
	again, _ := takeAll(encoding, before, fuzzLimit)
	clear(message)
	if len(all) > fuzzLimit || len(all) != len(again) {
		t.Fatalf("%q: %d commands, then %d", before, len(all), len(again))
	}
	for i, one := range all {
		if one.method != again[i].method || !proto.Equal(one.command, again[i].command) {
			t.Fatalf("%q: %v changed with its buffer: it was %v", before, one.command, again[i].command)
		}
		if one.method != wire.Pong && one.method != wire.Send && one.command.Id == 0 {
			t.Fatalf("%q: %v has no id", before, one.command)
		}
		checked := wire.Check(one.method, one.command)
		if code := wire.ErrorCode(0); checked != nil && !errors.As(checked, &code) {
			t.Fatalf("%v: %v is not an error reply", one.command, checked)
		}
		if checked == nil && one.method == wire.Publish && wire.CheckRoomName(one.command.Publish.Channel) != nil {
			t.Fatalf("%v names an invalid room", one.command)
		}
	}
	return all, err
}

// FuzzDecodeJSON checks that encoding/json accepts every command that Decode accepts, and that it
// is the same command in Protobuf.
func FuzzDecodeJSON(f *testing.F) {
	for _, g := range golden {
		f.Add([]byte(g.json))
	}
	for _, message := range []string{
		"{}\n\r\n{}", "null", "{}{}", `{"id":1,"ping":{},"ping":{}}`, `{"id":1,"fly":[[[[{}]]]]}`, "{\"id\":1,\"rpc\":{\"method\":\"\xff\"}}",
		`{"id":1,"subscribe":{"channel":"a","tf":{"op":"and","nodes":[{"not":null},{}]}}}`, `{"id":-1}`, `{"id":1e2,"ping":{}}`,
		`{"id":1,"connect":{"subs":{"a":{"offset":18446744073709551615},"a":{}}}}`, `{"id":1,"sub_refresh":{"track":[{"items":[null]}]}}`,
	} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		was := bytes.Clone(message)
		all, err := decodeChecked(t, wire.JSON, message)
		if err == nil && !utf8.Valid(was) {
			t.Fatalf("%q is accepted, but is not UTF-8", was)
		}
		if err != nil {
			return
		}
		lines := bytes.Split(was, []byte{'\n'})
		lines = deleteBlank(lines)
		if len(lines) != len(all) {
			t.Fatalf("%q: %d commands in %d lines", was, len(all), len(lines))
		}
		for i, one := range all {
			if !json.Valid(lines[i]) {
				t.Fatalf("%q is accepted, but is not JSON", lines[i])
			}
			sameInProtobuf(t, one)
		}
	})
}

func deleteBlank(lines [][]byte) (left [][]byte) {
	for _, line := range lines {
		if len(bytes.TrimSpace(line)) > 0 {
			left = append(left, line)
		}
	}
	return left
}

// sameInProtobuf encodes a command with the official library and decodes the result.
func sameInProtobuf(t *testing.T, one taken) {
	if one.command == nil {
		return
	}
	// A null in a list becomes an empty element, because Protobuf has no null.
	body, err := proto.Marshal(one.command)
	if err != nil {
		t.Fatalf("%v: %v", one.command, err)
	}
	method, command, err := takeOne(t, wire.Protobuf, delimited(string(body)))
	if err != nil || method != one.method {
		t.Fatalf("%v is %v, %v in Protobuf", one.command, method, err)
	}
	again, err := proto.Marshal(command)
	if err != nil || len(again) != len(body) { // the order of maps may differ
		t.Fatalf("%v became %v, %v", one.command, command, err)
	}
}

// FuzzDecodeProtobuf checks that the official library decodes the same command as Decode.
func FuzzDecodeProtobuf(f *testing.F) {
	for _, g := range golden {
		message, _ := hex.DecodeString(g.protobuf)
		f.Add(message)
	}
	for _, message := range []string{
		"\x00\x00", "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x06\x08\x01\x5a\x00\x6a\x00", "\x06\x08\x01\xa3\x06\xa4\x06",
		"\x0a\x08\x01\x2a\x06\x0a\x01a\x6a\x01\x32", "\x07\x08\x01\x6a\x03\x12\x01\xff", "\x02\x0f\x00",
	} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		was := bytes.Clone(message)
		all, _ := decodeChecked(t, wire.Protobuf, message)
		rest := was
		for _, one := range all {
			body := cutDelimited(t, rest)
			rest = rest[len(delimited(string(body))):]
			official := new(protocol.Command)
			if err := proto.Unmarshal(body, official); err != nil {
				t.Fatalf("%q is accepted, but the official library says %v", body, err)
			}
			if one.command != nil && !proto.Equal(known(t, official), known(t, one.command)) {
				t.Fatalf("%q is %v, and %v for the official library", body, one.command, official)
			}
			if one.command == nil && (official.Id != 0 || official.Send != nil) {
				t.Fatalf("%q is decoded as a pong, but is %v", body, official)
			}
		}
	})
}

// known returns a command without unknown fields, which may or may not be kept.
func known(t *testing.T, c *protocol.Command) *protocol.Command {
	body, err := proto.Marshal(c)
	left := new(protocol.Command)
	if err == nil {
		err = proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, left)
	}
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return left
}

// cutDelimited returns the first of several delimited messages, found byte by byte. It rewrites a
// length that is longer than necessary in its shortest form.
func cutDelimited(t *testing.T, message []byte) []byte {
	size, shift := 0, 0
	for i, c := range message {
		size |= int(c&0x7f) << shift
		shift += 7
		if c < 0x80 {
			if shortest := len(delimited(string(make([]byte, size)))) - size; shortest != i+1 {
				t.Skip("a length is not in its shortest form")
			}
			return message[i+1 : i+1+size]
		}
	}
	t.Fatalf("%q has no length", message)
	return nil
}
