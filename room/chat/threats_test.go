package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/centrifuge-go"

	"webim/room"
	"webim/room/wire"
)

// whole has a request of every call with all its fields.
var whole = map[string]string{
	"send":         `{"room":"lobby","id":"1","data":{"text":"x"},"reply":1}`,
	"edit":         `{"room":"lobby","offset":1,"data":{"text":"x"}}`,
	"delete":       `{"room":"lobby","offset":1}`,
	"react":        `{"room":"lobby","offset":1,"emoji":"👍","remove":true}`,
	"typing":       `{"room":"lobby"}`,
	"messages":     `{"room":"lobby","limit":1,"before":1,"after":1,"offsets":[1]}`,
	"rooms":        `{"after":"x","limit":1}`,
	"sync":         `{"since":{"lobby":{"epoch":"x","offset":1}},"after":"x","limit":1}`,
	"room.create":  `{"room":"$new","title":"t","users":["u"]}`,
	"room.direct":  `{"user":"u"}`,
	"room.join":    `{"room":"lobby"}`,
	"room.leave":   `{"room":"lobby"}`,
	"room.decline": `{"room":"lobby","user":"u","undo":true}`,
	"room.invite":  `{"room":"lobby","user":"u"}`,
	"room.set":     `{"room":"lobby","title":"t","locked":false,"slow":0}`,
	"room.info":    `{"room":"lobby"}`,
	"members":      `{"room":"lobby"}`,
	"mark":         `{"room":"lobby","read":1,"delivered":1}`,
	"marks":        `{"room":"lobby"}`,
	"kick":         `{"room":"elsewhere","user":"u","reason":"r"}`,
	"ban":          `{"room":"elsewhere","user":"u","ip":"192.0.2.1","seconds":1,"reason":"r"}`,
	"unban":        `{"room":"elsewhere","user":"u","ip":"192.0.2.1"}`,
	"mute":         `{"room":"elsewhere","user":"u","seconds":1,"reason":"r"}`,
	"unmute":       `{"room":"elsewhere","user":"u"}`,
	"sanctions":    `{"room":"elsewhere"}`,
}

// canary is a text that no result or error may repeat.
const canary = "c4n4ry"

// odd are values that a field does not expect.
var odd = []string{`null`, `7`, `-1`, `0`, `1e999`, `9223372036854775807`, `18446744073709551616`, `""`, `"` + canary + `"`, `{}`, `[]`, `[null]`, `true`,
	`"` + strings.Repeat(canary, 60) + `"`, `"\u0000"`, `"\ud800"`, `"` + canary + `\r\nX: y"`, "\"\xff\"", "\"\u202e\"",
	strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), `"$` + canary + `"`, `"#u"`, `"@a:b"`}

// broken returns requests with one fault in each field in turn.
func broken(fields string) (all []string) {
	all = append(all, "", "null", "7", "[]", "{}", "{", "{}{}", `{"room":"lobby","room":"lobby"}`, `{"ROOM":"lobby"}`, `{"`+canary+`":1}`, "\xff", strings.Repeat(" ", 1000))
	for at := strings.Index(fields, `":`); at >= 0; {
		begin := at + 2
		end := begin + strings.IndexAny(fields[begin:]+",", ",}")
		if fields[begin] == '{' || fields[begin] == '[' {
			end = begin + strings.IndexAny(fields[begin:], "}]") + 1
		}
		for _, value := range odd {
			all = append(all, fields[:begin]+value+fields[end:])
		}
		next := strings.Index(fields[end:], `":`)
		if next < 0 {
			break
		}
		at = end + next
	}
	return all
}

// TestThreatBrokenCalls makes each call with each of its fields missing, null, of a wrong type, too
// long, too deep or too large, as an admin and as a client without a user. Each gets a result or an
// error that does not repeat the input, and the server keeps working.
func TestThreatBrokenCalls(t *testing.T) {
	for method := range methods {
		if whole[method] == "" {
			t.Errorf("%s is not tried", method)
		}
	}
	h := build(t, room.Config{})
	root := h.comeAs(wire.Protobuf, "root", "admin") // in Protobuf, data may be any bytes
	root.join("lobby")
	root.must("send", `{"room":"lobby","data":{"text":"the first"}}`)
	for _, p := range []*person{root, h.comeAs(wire.Protobuf, "")} {
		for method, fields := range whole {
			for _, data := range broken(fields) {
				_, fault := p.call(method, data)
				if strings.HasPrefix(fault, "100 ") || strings.Contains(fault, context.DeadlineExceeded.Error()) || strings.Contains(fault, centrifuge.ErrClientDisconnected.Error()) {
					t.Errorf("%s of %q: %.300q: %s", method, p.name, data, fault)
				}
				if strings.Contains(fault, canary) && !strings.Contains(data, fmt.Sprintf("{%q:1}", canary)) {
					t.Errorf("%s: %.300q is echoed: %s", method, data, fault)
				}
			}
			if _, fault := p.call("room.info", `{"room":"lobby"}`); fault != "" {
				t.Fatalf("after %s: %s", method, fault)
			}
		}
	}
}
