package wire_test

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/proto"

	"webim/room/wire"
)

// taken is a command with its method, as Next returned them.
type taken struct {
	method  wire.Method
	command *protocol.Command
}

// takeAll decodes all commands of a message.
func takeAll(encoding wire.Encoding, message []byte, limit int) (all []taken, err error) {
	commands, err := wire.Decode(encoding, message, limit)
	if err != nil {
		return nil, err
	}
	for {
		method, command, err := commands.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, taken{method, command})
	}
}

// takeOne decodes a message with one command.
func takeOne(t *testing.T, encoding wire.Encoding, message []byte) (wire.Method, *protocol.Command, error) {
	t.Helper()
	all, err := takeAll(encoding, message, 1)
	if err != nil {
		return 0, nil, err
	}
	if len(all) != 1 {
		t.Fatalf("%.80q: %d commands, want one", message, len(all))
	}
	return all[0].method, all[0].command, nil
}

// delimited joins Protobuf messages, each after its length.
func delimited(messages ...string) (all []byte) {
	for _, m := range messages {
		all = binary.AppendUvarint(all, uint64(len(m)))
		all = append(all, m...)
	}
	return all
}

func marshal(t testing.TB, m proto.Message) string {
	t.Helper()
	b, err := proto.Marshal(m) // the official library, not the module's own code
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDecodeCutsMessages checks which messages have how many commands, and which are refused.
func TestDecodeCutsMessages(t *testing.T) {
	const ping = "\x02\x08\x01" // id 1, no request
	long := strings.Repeat("\x80", 9)
	for _, c := range []struct {
		name     string
		encoding wire.Encoding
		message  string
		methods  string
		err      error
	}{
		{"pong", wire.JSON, "{}", "pong", nil},
		{"pong with spaces", wire.JSON, " { } ", "pong", nil},
		{"pong with an id of 0", wire.JSON, `{"id":0}`, "pong", nil},
		{"null", wire.JSON, "null", "pong", nil},
		{"pong, line end", wire.JSON, "{}\n", "pong", nil},
		{"pong, CRLF", wire.JSON, "{}\r\n{}\r\n", "pong pong", nil},
		{"blank lines", wire.JSON, "\n\n{}\n \n\t\r\n{}\n\n", "pong pong", nil},
		{"empty", wire.JSON, "", "", wire.ErrEmpty},
		{"only blank", wire.JSON, "\n \n", "", wire.ErrEmpty},
		{"at the limit", wire.JSON, "{}\n{}\n\n{}", "pong pong pong", nil},
		{"above the limit", wire.JSON, "{}\n{}\n{}\n{}", "pong pong pong", wire.ErrTooMany},
		{"above the limit, the last is no JSON", wire.JSON, "{}\n{}\n{}\n!", "pong pong pong", wire.ErrTooMany},
		{"two in a line", wire.JSON, "{}{}", "", wire.ErrMalformed},
		{"two in a line, comma", wire.JSON, "{},{}", "", wire.ErrMalformed},
		{"one in two lines", wire.JSON, "{\n}", "", wire.ErrMalformed},
		{"the second is malformed", wire.JSON, "{}\n{]", "pong", wire.ErrMalformed},
		{"array", wire.JSON, "[]", "", wire.ErrMalformed},
		{"string", wire.JSON, `"{}"`, "", wire.ErrMalformed},
		{"number", wire.JSON, "0", "", wire.ErrMalformed},
		{"cut off", wire.JSON, `{"id":1,"ping":{}`, "", wire.ErrMalformed},
		{"byte order mark", wire.JSON, "\ufeff{}", "", wire.ErrMalformed},
		{"NUL", wire.JSON, "\x00", "", wire.ErrMalformed},
		{"broken UTF-8", wire.JSON, "{\"id\":1,\"rpc\":{\"method\":\"\xff\"}}", "", wire.ErrMalformed},
		{"broken UTF-8 in data", wire.JSON, "{\"id\":1,\"rpc\":{\"data\":\"\xff\"}}", "", wire.ErrMalformed},
		{"control character", wire.JSON, "{\"id\":1,\"rpc\":{\"method\":\"a\tb\"}}", "", wire.ErrMalformed},
		{"key twice", wire.JSON, `{"id":1,"ping":{},"ping":{}}`, "", wire.ErrMalformed},
		{"id twice", wire.JSON, `{"id":1,"ping":{},"id":2}`, "", wire.ErrMalformed},
		{"two requests", wire.JSON, `{"id":1,"ping":{},"rpc":{}}`, "", wire.ErrTwoRequests},
		{"no id", wire.JSON, `{"ping":{}}`, "", wire.ErrNoID},
		{"no id, send", wire.JSON, `{"send":{}}`, "send", nil},
		{"id, send", wire.JSON, `{"id":1,"send":{}}`, "send", nil},
		{"unknown", wire.JSON, `{"id":1,"fly":{"to":"Rome"}}`, "unknown", nil},
		{"unknown, other letters", wire.JSON, `{"id":1,"PING":{}}`, "unknown", nil},
		{"request is null", wire.JSON, `{"id":1,"ping":null}`, "unknown", nil},
		{"the same id twice", wire.JSON, "{\"id\":1,\"ping\":{}}\n{\"id\":1,\"ping\":{}}", "ping ping", nil},
		{"largest id", wire.JSON, `{"id":4294967295,"ping":{}}`, "ping", nil},
		{"id too large", wire.JSON, `{"id":4294967296,"ping":{}}`, "", wire.ErrMalformed},
		{"id below 0", wire.JSON, `{"id":-1,"ping":{}}`, "", wire.ErrMalformed},
		{"id is a fraction", wire.JSON, `{"id":1.5,"ping":{}}`, "", wire.ErrMalformed},
		{"id is text", wire.JSON, `{"id":"1","ping":{}}`, "", wire.ErrMalformed},

		{"pong", wire.Protobuf, "\x00", "pong", nil},
		{"pongs", wire.Protobuf, "\x00\x00\x00", "pong pong pong", nil},
		{"pong with an id of 0", wire.Protobuf, "\x02\x08\x00", "pong", nil},
		{"empty", wire.Protobuf, "", "", wire.ErrEmpty},
		{"above the limit", wire.Protobuf, "\x00\x00\x00\x00", "pong pong pong", wire.ErrTooMany},
		{"unknown", wire.Protobuf, ping, "unknown", nil},
		{"unknown field", wire.Protobuf, "\x06\x08\x01\xa2\x06\x01a", "unknown", nil},
		{"ping", wire.Protobuf, "\x04\x08\x01\x5a\x00", "ping", nil},
		{"no id", wire.Protobuf, "\x02\x5a\x00", "", wire.ErrNoID},
		{"send", wire.Protobuf, "\x02\x62\x00", "send", nil},
		{"two requests", wire.Protobuf, "\x06\x08\x01\x5a\x00\x6a\x00", "", wire.ErrTwoRequests},
		{"length cut off", wire.Protobuf, ping + "\x80", "unknown", wire.ErrMalformed},
		{"length overflows", wire.Protobuf, long + "\x02", "", wire.ErrMalformed},
		{"length of 2^63", wire.Protobuf, long + "\x01", "", wire.ErrMalformed},
		{"length of 2^64-1", wire.Protobuf, strings.Repeat("\xff", 9) + "\x01", "", wire.ErrMalformed},
		{"length past the end", wire.Protobuf, "\x03\x08\x01", "", wire.ErrMalformed},
		{"length of 1 GB, then nothing", wire.Protobuf, "\x80\x80\x80\x80\x04", "", wire.ErrMalformed},
		{"the second goes past the end", wire.Protobuf, ping + "\x03\x08\x01", "unknown", wire.ErrMalformed},
		{"the second is malformed", wire.Protobuf, ping + "\x02\x08\x80", "unknown", wire.ErrMalformed},
		{"field 0", wire.Protobuf, "\x02\x00\x00", "", wire.ErrMalformed},
		{"wire type 7", wire.Protobuf, "\x02\x0f\x00", "", wire.ErrMalformed},
		{"end of a group", wire.Protobuf, "\x01\x0c", "", wire.ErrMalformed},
		{"broken UTF-8", wire.Protobuf, "\x07\x08\x01\x6a\x03\x12\x01\xff", "", wire.ErrMalformed},
		{"JSON", wire.Protobuf, "{}", "", wire.ErrMalformed},
	} {
		t.Run(c.encoding.String()+" "+c.name, func(t *testing.T) {
			all, err := takeAll(c.encoding, []byte(c.message), 3)
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			var methods []string
			for _, one := range all {
				methods = append(methods, one.method.String())
				if (one.command == nil) != (one.method == wire.Pong) {
					t.Errorf("%v with the command %v", one.method, one.command)
				}
			}
			if got := strings.Join(methods, " "); got != c.methods {
				t.Errorf("commands %q, want %q", got, c.methods)
			}
			var code wire.DisconnectCode
			if c.err != nil && (!errors.As(err, &code) || code != wire.DisconnectBadRequest) {
				t.Errorf("%v does not close with 3501", err)
			}
			if err != nil && (len(err.Error()) > 160 || strings.ContainsAny(err.Error(), "\r\n\x00")) {
				t.Errorf("the error says %q", err)
			}
		})
	}
}

// TestRestIsAMessage checks that the rest after each command is itself a message, so that it can be
// stored and decoded later, by another process.
func TestRestIsAMessage(t *testing.T) {
	for encoding, message := range map[wire.Encoding]string{
		wire.JSON:     "\n{\"id\":1,\"ping\":{}}\n\n{\"id\":2,\"ping\":{}}\n{}\n{\"id\":3,\"ping\":{}}\n \n\n",
		wire.Protobuf: "\x04\x08\x01\x5a\x00\x04\x08\x02\x5a\x00\x00\x04\x08\x03\x5a\x00",
	} {
		var ids []uint32
		commands, err := wire.Decode(encoding, []byte(message), 4)
		for rest := []byte(nil); err == nil; commands, err = wire.Decode(encoding, rest, 4) {
			_, command, err := commands.Next()
			if err != nil {
				t.Fatal(encoding, err)
			}
			ids = append(ids, command.GetId())
			rest = slices.Clone(commands.Rest())
			if len(ids) == 4 && len(rest) > 0 {
				t.Errorf("%v: %q is left of the message after its last command, want nothing", encoding, rest)
			}
		}
		if !errors.Is(err, wire.ErrEmpty) || !slices.Equal(ids, []uint32{1, 2, 0, 3}) {
			t.Errorf("%v: ids %v, then %v", encoding, ids, err)
		}
	}
}

// TestSkip checks that the commands already taken can be skipped when the same message is decoded
// again.
func TestSkip(t *testing.T) {
	for encoding, message := range map[wire.Encoding]string{
		wire.JSON:     "{}\n\n{\"id\":1,\"ping\":{}}\n \n{\"id\":2,\"ping\":{}}\n\n",
		wire.Protobuf: "\x00\x05\x08\x01\x92\x01\x00\x05\x08\x02\x92\x01\x00",
	} {
		for n := range 4 {
			before, err := wire.Decode(encoding, []byte(message), 3)
			if err != nil {
				t.Fatal(err)
			}
			for range n {
				if _, _, err := before.Next(); err != nil {
					t.Fatal(err)
				}
			}
			c, err := wire.Decode(encoding, []byte(message), 3)
			if err != nil {
				t.Fatal(err)
			}
			var ids []uint32
			for c.Skip(before.Taken(), len(before.Rest())); ; {
				_, command, err := c.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, command.GetId())
			}
			if want := []uint32{0, 1, 2}[n:]; !slices.Equal(ids, want) || c.Taken() != 3 {
				t.Errorf("%v, behind %d: %v, want %v; %d were taken", encoding, n, ids, want, c.Taken())
			}
		}
	}
}

// TestNothingFollowsAnError checks that Next returns no command after an error.
func TestNothingFollowsAnError(t *testing.T) {
	for encoding, message := range map[wire.Encoding]string{
		wire.JSON:     "{]\n{}",
		wire.Protobuf: "\x01\x0c\x00",
	} {
		commands, err := wire.Decode(encoding, []byte(message), 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := commands.Next(); !errors.Is(err, wire.ErrMalformed) {
			t.Error(err)
		}
		if method, _, err := commands.Next(); err != io.EOF || len(commands.Rest()) != 0 {
			t.Errorf("%v: %v, %v after an error", encoding, method, err)
		}
	}
}

// TestCommandsDoNotAlias checks that a command does not change with the read buffer, which is
// reused at once, and that decoding does not write to the buffer.
func TestCommandsDoNotAlias(t *testing.T) {
	for encoding, message := range map[wire.Encoding][]byte{
		wire.JSON: []byte(`{"id":1,"subscribe":{"channel":"a room with a name","token":"tökén\n","data":{"text":"hello"},"tf":{"op":"and","vals":["values"]}}}` +
			"\n" + `{"id":2,"connect":{"subs":{"another room":{"epoch":"epoch"}},"headers":{"name":"value"}}}`),
		wire.Protobuf: delimited(
			marshal(t, &protocol.Command{Id: 1, Publish: &protocol.PublishRequest{Channel: "a room with a name", Data: []byte("\x00\xff data")}}),
			marshal(t, &protocol.Command{Id: 2, Connect: &protocol.ConnectRequest{Token: "token", Subs: map[string]*protocol.SubscribeRequest{"room": {Epoch: "e"}}}})+
				"\xa2\x06\x07unknown"),
	} {
		before := string(message)
		all, err := takeAll(encoding, message, 2)
		if err != nil {
			t.Fatal(err)
		}
		if string(message) != before {
			t.Errorf("%v: decoding changed the message", encoding)
		}
		again, _ := takeAll(encoding, []byte(before), 2)
		for i := range message {
			message[i] = '#'
		}
		for i := range all {
			if !proto.Equal(all[i].command, again[i].command) {
				t.Errorf("%v: the command changed with the message: %v, was %v", encoding, all[i].command, again[i].command)
			}
		}
	}
}
