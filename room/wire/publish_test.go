package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/centrifugal/protocol/cfjson"
	"google.golang.org/protobuf/proto"

	"webim/netpoll/wstest"
)

// known is the names that a client has used.
type known []string

func (k known) Known(b []byte) (string, bool) {
	for _, name := range k {
		if name == string(b) {
			return name, true
		}
	}
	return "", false
}

// sameWithScratch checks that a message has the same commands and the same error with borrowed
// memory as without. It returns how many commands were decoded into that memory.
func sameWithScratch(t *testing.T, encoding Encoding, message []byte) (borrowed int) {
	t.Helper()
	const limit = 16
	all, err := Decode(encoding, message, limit)
	lent, lentErr := Decode(encoding, message, limit)
	if fmt.Sprint(err) != fmt.Sprint(lentErr) {
		t.Fatalf("%q: %v; want %v", message, lentErr, err)
	}
	if err != nil {
		return 0
	}
	s := new(Scratch)
	lent.Lend(s, known{"lobby"})
	for {
		method, want, err := all.Next()
		lentMethod, got, lentErr := lent.Next()
		if method != lentMethod || fmt.Sprint(err) != fmt.Sprint(lentErr) || !proto.Equal(got, want) {
			t.Fatalf("%q: %v %v, %v; want %v %v, %v", message, lentMethod, got, lentErr, method, want, err)
		}
		if got == &s.command {
			borrowed++
			checkPlain(t, got.Publish.Data, encoding)
		}
		if err == io.EOF || err != nil {
			return borrowed
		}
		if lent.Taken() != all.Taken() || !bytes.Equal(lent.Rest(), all.Rest()) {
			t.Fatalf("%q: %d taken, %q left; want %d, %q", message, lent.Taken(), lent.Rest(), all.Taken(), all.Rest())
		}
	}
}

// checkPlain checks the data of a command that was decoded into borrowed memory.
func checkPlain(t *testing.T, data []byte, encoding Encoding) {
	t.Helper()
	if encoding == JSON && !isPlain(data) {
		t.Fatalf("%q is not plain", data)
	}
	if !isPlain(data) {
		return
	}
	if deepest, lineEnds := outline(data); !Valid(data) || !cfjson.ValidRaw(data) || deepest > MaxDepth || lineEnds > 0 {
		t.Fatalf("%q is plain, but valid is %v, %v; it is %d deep and has %d line ends", data, Valid(data), cfjson.ValidRaw(data), deepest, lineEnds)
	}
}

// plainData is data that isPlain recognizes.
var plainData = []string{
	`{"text":"hello"}`, `{}`, `[]`, `{ }`, `[ ]`, `""`, `"a"`, `0`, `-0`, `12`, `1.5`, `-1e9`, `1E+2`, `0.5e-3`, `true`, `false`, `null`,
	`{"a": 1, "b": [1, 2, {"c": null}], "c": "x\ny\"\\\/\b\f\r\t"}`, `"Grüße, 世界 🙂"`, `"\u007f"`,
	`{"text":"` + strings.Repeat("long enough for the words of eight bytes ", 40) + `"}`,
	strings.Repeat("[", plainDepth) + strings.Repeat("]", plainDepth),
	`{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8}`, `{"a":{"a":1},"b":{"a":2}}`,
}

// oddData is data that isPlain leaves to others, valid or not.
var oddData = []string{
	``, ` `, ` {}`, `{} `, `{}{}`, `{},{}`, `{}}`, `{"a":1,}`, `{,}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{a:1}`, `{1:1}`, `"`, `"a`, `"\`, `"\x"`, `"\u0041"`, `"\ud800"`,
	"\"\x00\"", "\"\t\"", "\"\x1f\"", "\"\n\"", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "{\"a\":\n1}", "{\"a\":\t1}", "[1,\r2]",
	`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `1a`, `tru`, `trues`, `nul`, `NaN`, `{"a":1,"a":2}`, `{"a":1,"\/":2}`, `{"é":1,"é":2}`,
	strings.Repeat("[", plainDepth+1) + strings.Repeat("]", plainDepth+1), `{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9}`, `1},"id":2,"x":{"a":1`, `1}`, `[1`, `[1}`, `{"a":1]`,
}

func TestPlainData(t *testing.T) {
	for _, data := range plainData {
		data = strings.ReplaceAll(data, `\u007f`, "\x7f")
		if !isPlain([]byte(data)) {
			t.Errorf("%q is not plain", data)
		}
		checkPlain(t, []byte(data), JSON)
	}
	for _, data := range oddData {
		if isPlain([]byte(data)) {
			t.Errorf("%q is plain", data)
		}
	}
}

// TestPublishIsBorrowed: the usual forms of the command are decoded into borrowed memory, others
// are not; the results equal those of the protocol's decoder.
func TestPublishIsBorrowed(t *testing.T) {
	for _, c := range []struct {
		message  string
		borrowed int
	}{
		{`{"id":7,"publish":{"channel":"lobby","data":{"text":"hello"}}}`, 1},
		{`{"publish":{"channel":"lobby","data":{"text":"hello"}},"id":7}`, 1},
		{`{"id":4294967295,"publish":{"channel":"a:b#c,d/e","data":1}}`, 1},
		{"{\"id\":1,\"publish\":{\"channel\":\"a\",\"data\":1}}\r\n\n{\"publish\":{\"channel\":\"b\",\"data\":[2]},\"id\":2}\n", 2},
		{`{"id":4294967296,"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":0,"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":07,"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":-7,"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":"7","publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":7e0,"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":12345678901234567890,"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id": 7, "publish": {"channel": "lobby", "data": 1}}`, 0},
		{`{"id":7,"publish":{"channel":"","data":1}}`, 0},
		{`{"id":7,"publish":{"channel":"größe","data":1}}`, 0},
		{`{"id":7,"publish":{"channel":"a\"b","data":1}}`, 0},
		{`{"id":7,"publish":{"channel":"a b","data":1}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby"}}`, 0},
		{`{"id":7,"publish":{"data":1,"channel":"lobby"}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1,"x":2}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1},"x":2}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1},"rpc":{}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1},"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1},"id":8}`, 0},
		{`{"publish":{"channel":"lobby","data":1}}`, 0},
		{`{"publish":{"channel":"lobby","data":1},"id":}`, 0},
		{`{"publish":{"channel":"lobby","data":1},"id":7}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1}}}`, 0},
		{`{"id":7,"publish":{"channel":"lobby","data":1}`, 0},
		{`{"id":7,"publish":null}`, 0},
		{`{"id":7,"rpc":{"method":"m","data":{}}}`, 0},
		{`{}`, 0},
	} {
		if got := sameWithScratch(t, JSON, []byte(c.message)); got != c.borrowed {
			t.Errorf("%s: %d commands are borrowed; want %d", c.message, got, c.borrowed)
		}
	}
	for _, data := range plainData {
		data = strings.ReplaceAll(data, `\u007f`, "\x7f")
		for _, form := range []string{`{"id":7,"publish":{"channel":"lobby","data":%s}}`, `{"publish":{"channel":"lobby","data":%s},"id":7}`} {
			if message := fmt.Sprintf(form, data); sameWithScratch(t, JSON, []byte(message)) != 1 {
				t.Errorf("%q is not borrowed", message)
			}
		}
	}
	for _, data := range oddData {
		for _, form := range []string{`{"id":7,"publish":{"channel":"lobby","data":%s}}`, `{"publish":{"channel":"lobby","data":%s},"id":7}`} {
			sameWithScratch(t, JSON, fmt.Appendf(nil, form, data))
		}
	}
}

// protobufPublish encodes publish commands in Protobuf.
func protobufPublish(t testing.TB, commands ...*protocol.Command) (message []byte) {
	for _, c := range commands {
		body, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		message = append(protowireAppend(message, len(body)), body...)
	}
	return message
}

func protowireAppend(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestProtobufPublishIsBorrowed(t *testing.T) {
	for _, c := range []struct {
		name     string
		command  *protocol.Command
		borrowed int
	}{
		{"usual", &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte(`{"text":"hello"}`)}}, 1},
		{"any bytes", &protocol.Command{Id: 1 << 31, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte("\xff\x00\n")}}, 1},
		{"long", &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: make([]byte, 3000)}}, 1},
		{"no id", &protocol.Command{Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte("1")}}, 0},
		{"no data", &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby"}}, 0},
		{"no room", &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Data: []byte("1")}}, 0},
		{"another alphabet", &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "größe", Data: []byte("1")}}, 0},
		{"two requests", &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte("1")}, Rpc: &protocol.RPCRequest{}}, 0},
		{"rpc", &protocol.Command{Id: 7, Rpc: &protocol.RPCRequest{Method: "m", Data: []byte("1")}}, 0},
	} {
		if got := sameWithScratch(t, Protobuf, protobufPublish(t, c.command)); got != c.borrowed {
			t.Errorf("%s: %d commands are borrowed; want %d", c.name, got, c.borrowed)
		}
	}
}

// TestPublishWithEachByteWrong cuts a message after each byte, and replaces each byte: by each value with WEBIM_LONG=1,
// otherwise by a quarter of them, at each place by others. The result must equal that of the protocol's decoder.
func TestPublishWithEachByteWrong(t *testing.T) {
	one := &protocol.Command{Id: 77, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte(`{"text":"hello, \"world\"","n":[1.5e3,true]}`)}}
	for encoding, messages := range map[Encoding][][]byte{
		JSON: {
			one.AppendJSON(nil),
			[]byte(`{"publish":{"channel":"lobby","data":{"text":"Grüße"}},"id":7}`),
			append(append(one.AppendJSON(nil), '\n'), one.AppendJSON(nil)...),
		},
		Protobuf: {protobufPublish(t, one), protobufPublish(t, one, one)},
	} {
		for _, message := range messages {
			for i := range message {
				sameWithScratch(t, encoding, message[:i])
				for c := range 256 {
					if (c+i)%4 != 0 && !wstest.Long() {
						continue
					}
					other := bytes.Clone(message)
					other[i] = byte(c)
					sameWithScratch(t, encoding, other)
				}
				for _, c := range []byte("{}[]\":,\\ \n0") {
					sameWithScratch(t, encoding, append(append(bytes.Clone(message[:i]), c), message[i:]...))
				}
			}
		}
	}
}

// FuzzPublish is TestPublishWithEachByteWrong for any message.
func FuzzPublish(f *testing.F) {
	for _, data := range append(plainData, oddData...) {
		f.Add(false, fmt.Appendf(nil, `{"id":7,"publish":{"channel":"lobby","data":%s}}`, data))
		f.Add(false, fmt.Appendf(nil, `{"publish":{"channel":"lobby","data":%s},"id":7}`, data))
		f.Add(true, protobufPublish(f, &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "lobby", Data: []byte(data)}}))
	}
	f.Fuzz(func(t *testing.T, isProtobuf bool, message []byte) {
		if checkPlain(t, message, Protobuf); isProtobuf {
			sameWithScratch(t, Protobuf, message)
		} else {
			sameWithScratch(t, JSON, message)
		}
	})
}
