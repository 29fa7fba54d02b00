package chat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/centrifuge-go"

	"webim/room"
	"webim/room/policy"
	"webim/room/wire"
)

// TestRightsHoldForEverySpelling checks that a room that only admins may use is closed to others in
// every spelling of its name, in every command and call.
func TestRightsHoldForEverySpelling(t *testing.T) {
	shut := talkative()
	for a := range policy.Actions() {
		shut.Rights[a] = policy.RoleAdmin
	}
	h := build(t, room.Config{Options: policy.Patterns{{Match: "café", Options: shut}, {Match: "*", Options: talkative()}}.Options})
	boss := h.come("boss", "admin")
	boss.must("send", `{"room":"cafe\u0301","data":{"text":"for admins"}}`)
	if got := boss.must("messages", `{"room":"café"}`); !strings.Contains(got, "for admins") {
		t.Errorf("the other spelling is another room: %s", got)
	}
	eve := h.come("eve")
	for _, name := range []string{"café", "cafe\u0301"} {
		want := "103"
		if name != "café" {
			want = `107 bad request: the name "cafe\u0301" is not in the normal form NFC: subscribe to "caf\u00e9"`
		}
		if got := eve.tryJoin(name); !strings.HasPrefix(got, want) {
			t.Errorf("subscribe %+q: %q", name, got)
		}
		if _, err := eve.Publish(t.Context(), name, []byte(`{}`)); !isCode(err, wire.ErrPermissionDenied) {
			t.Errorf("publish %+q: %v", name, err)
		}
		if _, err := eve.History(t.Context(), name, centrifuge.WithHistoryLimit(-1)); !isCode(err, wire.ErrPermissionDenied) {
			t.Errorf("history %+q: %v", name, err)
		}
		if _, err := eve.Presence(t.Context(), name); !isCode(err, wire.ErrPermissionDenied) {
			t.Errorf("presence %+q: %v", name, err)
		}
		for _, method := range []string{"send", "messages", "room.info", "members", "marks", "typing", "room.join", "mark"} {
			body := fmt.Sprintf(`{"room":%q}`, name)
			if method == "send" {
				body = fmt.Sprintf(`{"room":%q,"data":{}}`, name)
			}
			if _, fault := eve.call(method, body); !strings.HasPrefix(fault, "103") {
				t.Errorf("%s %+q: %q", method, name, fault)
			}
		}
	}
}

// TestNamesThatLookAlike checks that names that look like other names are refused in every command
// and call.
func TestNamesThatLookAlike(t *testing.T) {
	h := build(t, room.Config{})
	eve := h.come("eve")
	for _, name := range []string{"lobby\u200b", "lob\u00adby", "lobby\u2060", "lobby\ufeff", "lobby\u3164", "lobby ", " lobby", "lobby\u202e", "lobby\u200d"} {
		if got := eve.tryJoin(name); !strings.HasPrefix(got, "107") {
			t.Errorf("subscribe %+q: %q", name, got)
		}
		for _, method := range []string{"room.info", "room.join", "messages", "members"} {
			if _, fault := eve.call(method, fmt.Sprintf(`{"room":"%s"}`, name)); !strings.HasPrefix(fault, "107") {
				t.Errorf("%s %+q: %q", method, name, fault)
			}
		}
	}
	eve.join("👩\u200d💻 club")
}

// TestSubscribingBySpelling checks that a client that subscribes either gets publications under the
// name that it sent, or an error with the right name.
func TestSubscribingBySpelling(t *testing.T) {
	h := build(t, room.Config{})
	eve, bob := h.come("eve"), h.come("bob")
	for asked, name := range map[string]string{"cafe\u0301": "caf\u00e9", "i \u2764\ufe0f": "i \u2764", "\u212b": "\u00c5"} {
		want := fmt.Sprintf("107 bad request: the name %+q is not in the normal form NFC: subscribe to %+q", asked, name)
		if got := eve.tryJoin(asked); !strings.HasPrefix(got, want) {
			t.Errorf("subscribing to %+q: %q, want %s", asked, got, want)
		}
		eve.join(name)
		bob.must("send", fmt.Sprintf(`{"room":%q,"data":{"text":"hello"}}`, asked))
		if got := eve.nextIn(name); !strings.Contains(got, `{"text":"hello"}`) {
			t.Errorf("in %+q: %s", name, got)
		}
	}
}
