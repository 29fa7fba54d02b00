package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"webim/room/wire"
)

// fields has a valid value for every field of every request, and the expected result of the command
// without the field and with 256 bytes in it.
var fields = []struct {
	request, name, value string
	without, long        error
}{
	{"connect", "token", `"t"`, nil, nil},
	{"connect", "data", `{"guest":"ann"}`, nil, nil},
	{"connect", "subs", `{"lobby":{"recover":true,"epoch":"e","offset":1}}`, nil, nil},
	{"connect", "name", `"js"`, nil, wire.ErrBadRequest},
	{"connect", "version", `"1"`, nil, wire.ErrBadRequest},
	{"connect", "headers", `{"a":"b"}`, nil, nil},
	{"connect", "flag", `1`, nil, nil},
	{"connect", "dict", `"d"`, nil, wire.ErrBadRequest},
	{"connect", "profile", `"p"`, nil, wire.ErrBadRequest},
	{"refresh", "token", `"t"`, nil, nil},
	{"subscribe", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"subscribe", "token", `"t"`, nil, nil},
	{"subscribe", "recover", `true`, nil, nil},
	{"subscribe", "epoch", `"e"`, nil, wire.ErrBadRequest},
	{"subscribe", "offset", `18446744073709551615`, nil, nil},
	{"subscribe", "data", `{}`, nil, nil},
	{"subscribe", "positioned", `true`, nil, nil},
	{"subscribe", "recoverable", `true`, nil, nil},
	{"subscribe", "join_leave", `true`, nil, nil},
	{"subscribe", "delta", `"fossil"`, nil, wire.ErrBadRequest},
	{"subscribe", "flag", `1`, nil, nil},
	{"subscribe", "type", `0`, nil, nil},
	{"sub_refresh", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"sub_refresh", "token", `"t"`, nil, nil},
	{"sub_refresh", "type", `0`, nil, nil},
	{"unsubscribe", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"publish", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"publish", "data", `{"text":"hi"}`, nil, nil}, // Data checks it
	{"publish", "type", `0`, nil, nil},
	{"publish", "key", `"k"`, nil, wire.ErrBadRequest},
	{"publish", "removed", `false`, nil, nil},
	{"presence", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"presence_stats", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"history", "channel", `"lobby"`, wire.ErrBadRequest, wire.ErrBadRequest},
	{"history", "limit", `-1`, nil, nil},
	{"history", "since", `{"offset":1,"epoch":"e"}`, nil, nil},
	{"history", "reverse", `true`, nil, nil},
	{"rpc", "data", `null`, nil, nil},
	{"rpc", "method", `"rooms"`, nil, wire.ErrBadRequest},
	{"send", "data", `1`, nil, nil},
}

// base returns a whole request with every field set, so that the test can spoil one.
func base(request string) map[string]json.RawMessage {
	whole := make(map[string]json.RawMessage)
	for _, f := range fields {
		if f.request == request {
			whole[f.name] = json.RawMessage(f.value)
		}
	}
	return whole
}

// kind returns the JSON kind of a value.
func kind(value string) string {
	switch value[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// TestEveryField tries every command with every field missing, null, of every wrong type and too
// long. Data accepts any JSON; null counts as absent; a wrong type closes the connection.
func TestEveryField(t *testing.T) {
	outcome := func(request string, whole map[string]json.RawMessage) error {
		body, err := json.Marshal(map[string]any{"id": 7, request: whole})
		if err != nil {
			t.Fatal(err)
		}
		method, command, err := takeOne(t, wire.JSON, body)
		if err != nil {
			return err
		}
		if method.String() != request || command.Id != 7 {
			t.Fatalf("%s is taken for %v of id %d", body, method, command.Id)
		}
		return wire.Check(method, command)
	}
	expect := func(want error, request, what string, whole map[string]json.RawMessage) {
		t.Helper()
		if err := outcome(request, whole); !errors.Is(err, want) {
			t.Errorf("%s: %s: %v, want %v", request, what, err, want)
		}
	}
	for _, f := range fields {
		whole := base(f.request)
		expect(nil, f.request, "whole", whole)

		delete(whole, f.name)
		expect(f.without, f.request, f.name+" missing", whole)

		whole[f.name] = json.RawMessage("null")
		expect(f.without, f.request, f.name+" null", whole)

		for _, other := range []string{`"x"`, `{}`, `[]`, `true`, `7`} {
			if f.name == "data" || kind(other) == kind(f.value) {
				continue
			}
			whole[f.name] = json.RawMessage(other)
			expect(wire.ErrMalformed, f.request, f.name+" of type "+kind(other), whole)
		}
		switch kind(f.value) {
		case "string":
			if whole[f.name] = json.RawMessage(`"` + strings.Repeat("x", wire.MaxRoomName) + `"`); f.long != nil {
				expect(nil, f.request, f.name+" of 255 bytes", whole)
			}
			whole[f.name] = json.RawMessage(`"` + strings.Repeat("x", wire.MaxRoomName+1) + `"`)
			expect(f.long, f.request, f.name+" of 256 bytes", whole)
		case "number":
			for _, bad := range []string{"1.5", "1e3", "99999999999999999999", "-99999999999999999999", "01", "+1", "0x1", "NaN"} {
				line := fmt.Sprintf(`{"id":7,%q:{%q:%s}}`, f.request, f.name, bad)
				if _, _, err := takeOne(t, wire.JSON, []byte(line)); !errors.Is(err, wire.ErrMalformed) && f.name != "data" {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
	for _, request := range []string{
		"connect", "refresh", "subscribe", "sub_refresh", "unsubscribe", "publish", "presence",
		"presence_stats", "history", "rpc", "send", "ping",
	} {
		for _, value := range []string{`"x"`, `[]`, `true`, `7`} {
			line := fmt.Sprintf(`{"id":7,%q:%s}`, request, value)
			if _, _, err := takeOne(t, wire.JSON, []byte(line)); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// TestCheck checks which valid and invalid fields of commands Check accepts.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		line string
		want error
	}{
		{`{"id":1,"fly":{}}`, wire.ErrMethodNotFound},
		{`{"id":1,"ping":{}}`, nil},
		{`{}`, nil},
		{`{"id":1,"subscribe":{"channel":"a","type":1}}`, wire.ErrNotAvailable},
		{`{"id":1,"subscribe":{"channel":"a","type":-1}}`, wire.ErrNotAvailable},
		{`{"id":1,"subscribe":{"channel":"a","tf":{"key":"k","cmp":"eq","val":"v"}}}`, wire.ErrNotAvailable},
		{`{"id":1,"subscribe":{"channel":"a","tf":{}}}`, wire.ErrNotAvailable},
		{`{"id":1,"subscribe":{"channel":"a","tf":null}}`, nil},
		{`{"id":1,"subscribe":{"channel":"a","flag":3,"delta":"fossil"}}`, nil},
		{`{"id":1,"sub_refresh":{"channel":"a","type":1,"track":[{"items":[{"key":"k"}]}]}}`, wire.ErrNotAvailable},
		{`{"id":1,"publish":{"channel":"a","type":1,"key":"k"}}`, wire.ErrNotAvailable},
		{`{"id":1,"publish":{"channel":"a\nb"}}`, wire.ErrBadRequest},
		{`{"id":1,"publish":{"channel":"\u0000"}}`, wire.ErrBadRequest},
		{`{"id":1,"publish":{"channel":"` + strings.Repeat("é", 128) + `"}}`, wire.ErrBadRequest},
		{`{"id":1,"publish":{"channel":"` + strings.Repeat("é", 127) + `"}}`, nil},
		{`{"id":1,"connect":{}}`, nil},
		{`{"id":1,"connect":{"flag":1,"dict":"x"}}`, nil},
		{`{"id":1,"connect":{"subs":{"a":null}}}`, nil},
		{`{"id":1,"connect":{"subs":{"a":{"tf":{}}}}}`, wire.ErrNotAvailable},
		{`{"id":1,"connect":{"subs":{"a":{"tf":null}}}}`, nil},
		{`{"id":1,"subscribe":{"channel":"a","data":{"tf":{}}}}`, nil},
		{`{"id":1,"subscribe":{"channel":"\u0074\u0066","token":"tf"}}`, nil},
		{`{"id":1,"subscribe":{"channel":"a","\u0074f":{}}}`, wire.ErrNotAvailable},
		{`{"id":1,"rpc":{"data":{"tf":{},"subscribe":{"tf":{}}}}}`, nil},
		{`{"id":1,"connect":{"subs":{"":{}}}}`, wire.ErrBadRequest},
		{`{"id":1,"connect":{"subs":{"a\u202eb":{}}}}`, wire.ErrBadRequest},
		{`{"id":1,"connect":{"subs":{"a":{"epoch":"` + strings.Repeat("x", 256) + `"}}}}`, wire.ErrBadRequest},
		{`{"id":1,"history":{"channel":"a","reverse":true}}`, nil},
		{`{"id":1,"history":{"channel":"a","since":{}}}`, nil},
		{`{"id":1,"history":{"channel":"a","reverse":true,"since":{}}}`, wire.ErrBadRequest},
		{`{"id":1,"history":{"channel":"a","since":{"epoch":"` + strings.Repeat("x", 256) + `"}}}`, wire.ErrBadRequest},
	} {
		lines := []string{c.line}
		if c.line != "{}" { // long ones are searched for a filter before they are decoded
			lines = append(lines, `{"x":"`+strings.Repeat("x", 600)+`",`+c.line[1:])
		}
		for _, line := range lines {
			method, command, err := takeOne(t, wire.JSON, []byte(line))
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if got := wire.Check(method, command); got != c.want || command != nil && command.Id != 1 {
				t.Errorf("%.90s: %v, want %v; %v", line, got, c.want, command)
			}
		}
	}
}

// TestUnknownFieldsAreSkipped checks that unknown fields of a known command are ignored, because
// SDKs grow.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	for encoding, message := range map[wire.Encoding]string{
		wire.JSON:     `{"new":[{"a":[]}],"id":7,"publish":{"x":null,"channel":"lobby","y":{"channel":"other"},"data":1},"z":"\u0000"}`,
		wire.Protobuf: string(delimited("\xa2\x06\x01a\x08\x07\x3a\x0e\x0a\x05lobby\xa2\x06\x01b\x12\x011")),
	} {
		method, command, err := takeOne(t, encoding, []byte(message))
		if err != nil || method != wire.Publish || command.Id != 7 || command.Publish.Channel != "lobby" || string(command.Publish.Data) != "1" {
			t.Errorf("%v: %v %v %v", encoding, method, command, err)
		}
	}
}

func TestMethodNames(t *testing.T) {
	seen := map[string]bool{}
	for m := wire.Unknown; m <= wire.Ping; m++ {
		seen[m.String()] = true
	}
	if len(seen) != 14 || seen[""] || wire.Method(200).String() != "unknown" {
		t.Errorf("names %v", slices.Sorted(maps.Keys(seen)))
	}
}
