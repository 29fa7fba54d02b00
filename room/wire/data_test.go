package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// nested returns n nested arrays.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestData checks which data a room accepts, and in which form it stores it.
func TestData(t *testing.T) {
	const bad = "!"
	for _, c := range []struct{ data, want string }{
		{`{}`, `{}`},
		{`null`, `null`},
		{`0`, `0`},
		{`-1.5e+3`, `-1.5e+3`},
		{`"a"`, `"a"`},
		{` {"text" : "hi"} `, ` {"text" : "hi"} `}, // unchanged
		{`{"a":1,"b":{"a":2}}`, `{"a":1,"b":{"a":2}}`},
		{`"\ud83d\ude00"`, `"\ud83d\ude00"`},
		{`{"a":1,"a":2}`, bad},
		{`{"a":1,"\u0061":2}`, bad},
		{`{"x":[[{"y":{"a":1,"b":2,"a":3}}]]}`, bad},
		{`"\ud800"`, bad},
		{`"x\ud83d"`, bad},
		{`"\ude00\ud83d"`, bad},
		{`{"\ud83d":1}`, bad},
		{`{"a":["\ud83dx"]}`, bad},
		{"\"\u2028\"", "\"\u2028\""},
		{"{\r\n  \"text\": \"a\\nb\"\r\n}\n", `{  "text": "a\nb"}`},
		{"\n1\n", "1"},
		{"[1,\r2]", "[1,2]"},
		{nested(wire.MaxDepth), nested(wire.MaxDepth)},
		{strings.Repeat(`{"a":`, wire.MaxDepth) + "1" + strings.Repeat("}", wire.MaxDepth), strings.Repeat(`{"a":`, wire.MaxDepth) + "1" + strings.Repeat("}", wire.MaxDepth)},
		{`"` + strings.Repeat("[", 1000) + `\"[["`, `"` + strings.Repeat("[", 1000) + `\"[["`},
		{`"\"` + strings.Repeat("[", 1000) + `"`, `"\"` + strings.Repeat("[", 1000) + `"`},
		{"", bad},
		{" ", bad},
		{"\n", bad},
		{"{", bad},
		{"}", bad},
		{"[1\n2]", bad},
		{"1\n2", bad}, // without its line end it would be another value
		{"{}\n{}", bad},
		{"{} {}", bad},
		{`{"a":1},"b":2`, bad},
		{"\"a\nb\"", bad},
		{"\"a\\\nb\"", bad},
		{"\"\x00\"", bad},
		{"\"\xff\"", bad},
		{"\"\xed\xa0\x80\"", bad},
		{"\ufeff1", bad},
		{"NaN", bad},
		{"'a'", bad},
		{"{a:1}", bad},
		{"// a\n1", bad},
		{nested(wire.MaxDepth + 1), bad},
		{strings.Repeat("[", 1<<20), bad},
		{strings.Repeat("]", 1<<20), bad},
	} {
		got, err := wire.Data(false, []byte(c.data))
		if c.want == bad {
			if !errors.Is(err, wire.ErrBadRequest) || got != nil {
				t.Errorf("%.60q is accepted, as %.60q, %v", c.data, got, err)
			}
		} else if err != nil || string(got) != c.want {
			t.Errorf("%.60q: %.60q, %v; want %.60q", c.data, got, err, c.want)
		}
		// A binary room accepts it unchanged.
		if got, err := wire.Data(true, []byte(c.data)); err != nil || string(got) != c.data {
			t.Errorf("binary %.60q: %.60q, %v", c.data, got, err)
		}
	}
}

// FuzzData checks that accepted data never breaks a JSON message.
func FuzzData(f *testing.F) {
	for _, data := range []string{`{"text":"hi"}`, "[1,\n2]", "1\n2", `"\u0000"`, "\"\xff\"", nested(51), "{}\n{}", "1E700"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		line, err := wire.Data(false, data)
		if err != nil {
			return
		}
		var was, is bytes.Buffer // without white space
		if json.Compact(&was, data) != nil || json.Compact(&is, line) != nil || was.String() != is.String() {
			t.Fatalf("%q became %q, another value", data, line)
		}
		message, err := wire.AppendPublication(nil, wire.JSON, "a", &protocol.Publication{Data: line})
		if err != nil || strings.ContainsAny(string(message), "\r\n") || !json.Valid(message) {
			t.Fatalf("%q is published as %q, %v", data, message, err)
		}
		if text := wire.DataText(line); !utf8.Valid(text) {
			t.Fatalf("%q is the text %q", line, text)
		}
	})
}

func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		encoding wire.Encoding
		binary   bool
		want     error
	}{
		{wire.JSON, false, nil},
		{wire.Protobuf, false, nil},
		{wire.Protobuf, true, nil},
		{wire.JSON, true, wire.DisconnectInappropriateProtocol},
	} {
		if err := wire.Admit(c.encoding, c.binary); err != c.want {
			t.Errorf("%v, binary %v: %v, want %v", c.encoding, c.binary, err, c.want)
		}
	}
}

// TestBinaryDataIsUntouched checks that the bytes of a binary room arrive unchanged.
func TestBinaryDataIsUntouched(t *testing.T) {
	all := make([]byte, 512)
	for i := range all {
		all[i] = byte(i)
	}
	line := marshal(t, &protocol.Command{Id: 1, Publish: &protocol.PublishRequest{Channel: "files", Data: all}})
	_, command, err := takeOne(t, wire.Protobuf, delimited(line))
	if err != nil {
		t.Fatal(err)
	}
	data, err := wire.Data(true, command.Publish.Data)
	if err != nil {
		t.Fatal(err)
	}
	message, err := wire.AppendPublication(nil, wire.Protobuf, "files", &protocol.Publication{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	replies, err := readReplies(wire.Protobuf, message)
	if err != nil || string(replies[0].Push.Pub.Data) != string(all) {
		t.Errorf("%v, %v", replies, err)
	}
}
