package hooks

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/chat"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
)

// TestHookPublishAndCalls checks that the publish hook also decides about the calls send and edit,
// and that it stands for the right to send and for no other right.
func TestHookPublishAndCalls(t *testing.T) {
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42"}}`)
	rights := policy.OpenRights()
	rights[policy.ActSend] = policy.RoleNobody
	sealed := policy.OpenRights()
	sealed[policy.ActSend], sealed[policy.ActEditOwn] = policy.RoleNobody, policy.RoleNobody
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookPublish), Timeout: wstest.Patience},
		room.Config{Calls: rpc.Calls{Caller: chat.New()}, Options: policy.Patterns{
			{Match: "sealed", Options: policy.Options{Rights: sealed, History: retention}},
			{Match: "*", Options: policy.Options{Rights: rights, History: retention}}}.Options})
	c, _ := n.come("", &protocol.ConnectRequest{})
	b.next(t)
	id := uint32(1)
	call := func(method, format string, args ...any) string {
		t.Helper()
		id++
		c.command(&protocol.Command{Id: id, Rpc: &protocol.RPCRequest{Method: method, Data: fmt.Appendf(nil, format, args...)}})
		r := c.next()
		switch {
		case r.Id != id:
			t.Fatalf("%s: %v", method, r)
		case r.Error != nil:
			return fmt.Sprint(r.Error.Code)
		}
		return string(r.Rpc.Data)
	}
	asked := func(data string) {
		t.Helper()
		if got := b.next(t); !strings.HasPrefix(got, `/publish {"channel":"r","data":`+data+`,`) {
			t.Errorf("asked %s", got)
		}
	}
	b.on("/publish", `{"result":{"data":{"text":"mild"}}}`)
	var sent struct{ Offset uint64 }
	if got := call("send", `{"room":"r","id":"1","data":{"text":"rude"}}`); json.Unmarshal([]byte(got), &sent) != nil || sent.Offset == 0 {
		t.Fatalf("sent: %s", got)
	}
	asked(`{"text":"rude"}`)
	b.on("/publish", `{"error":{"code":1001,"message":"no"}}`)
	for method, request := range map[string]string{
		"send": `{"room":"r","data":{"text":"rude"}}`,
		"edit": fmt.Sprintf(`{"room":"r","offset":%d,"data":{"text":"rude"}}`, sent.Offset),
	} {
		if got := call(method, "%s", request); got != "1001" {
			t.Errorf("%s: %s", method, got)
		}
		asked(`{"text":"rude"}`)
	}
	b.on("/publish", `{}`)
	if got := call("send", `{"room":"r","reply":%d,"data":{"text":"why"}}`, sent.Offset); !strings.HasPrefix(got, "{") {
		t.Errorf("answered: %s", got)
	}
	asked(`{"text":"why"}`)
	b.on("/publish", `{"result":{"data":{"text":"better"}}}`)
	if got := call("edit", `{"room":"r","offset":%d,"data":{"text":"worse"}}`, sent.Offset); !strings.HasPrefix(got, "{") {
		t.Errorf("edited: %s", got)
	}
	asked(`{"text":"worse"}`)
	// Where only the rights decide, they still do: reactions, and edits that they forbid.
	b.on("/publish", `{}`)
	if got := call("react", `{"room":"r","offset":%d,"emoji":"👍"}`, sent.Offset); got != "103" {
		t.Errorf("reacted: %s", got)
	}
	if got := call("edit", `{"room":"sealed","offset":1,"data":{}}`); got != "103" {
		t.Errorf("edited what is sealed: %s", got)
	}
	if got := call("send", `{"room":"#41","data":{}}`); got != "103" {
		t.Errorf("sent to somebody's own room: %s", got)
	}
	// room.info lists send, because the backend's decision is not known yet.
	if got := call("room.info", `{"room":"r"}`); !strings.Contains(got, `"send"`) {
		t.Errorf("may: %s", got)
	}
	if len(b.asked) > 0 {
		t.Errorf("asked %s", <-b.asked)
	}
	var texts []string
	n.hub.History("r", room.HistoryQuery{Limit: -1}, func(h engine.History, _ error) {
		for _, p := range h.Publications {
			texts = append(texts, string(p.Data))
		}
	})
	if got, want := strings.Join(texts, " "), `{"text":"mild"} {"text":"why"} {"text":"better"}`; got != want {
		t.Errorf("the room has %s, want %s", got, want)
	}
}

// TestHookIsNotAskedAgain checks that a retry of an accepted message gets the first result,
// although the backend replaced the data, and whatever the backend would now decide.
func TestHookIsNotAskedAgain(t *testing.T) {
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42"}}`)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookPublish), Timeout: wstest.Patience},
		room.Config{Calls: rpc.Calls{Caller: chat.New()}, Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), History: retention}}}.Options})
	c, _ := n.come("", &protocol.ConnectRequest{})
	b.next(t)
	id := uint32(1)
	send := func(data string) string {
		t.Helper()
		id++
		c.command(&protocol.Command{Id: id, Rpc: &protocol.RPCRequest{Method: "send", Data: []byte(data)}})
		r := c.next()
		switch {
		case r.Id != id:
			t.Fatalf("%s: %v", data, r)
		case r.Error != nil:
			return fmt.Sprint(r.Error.Code)
		}
		return string(r.Rpc.Data)
	}
	const message = `{"room":"r","id":"1","data":{"text":"rude"}}`
	b.on("/publish", `{"result":{"data":{"text":"mild"},"skip_history":true}}`)
	first := send(message)
	if !strings.HasPrefix(first, "{") {
		t.Fatalf("sent: %s", first)
	}
	b.next(t)
	b.on("/publish", `{"error":{"code":1001,"message":"no"}}`)
	if got := send(message); got != first {
		t.Errorf("the retry gets %s, not %s", got, first)
	}
	for _, other := range []string{"mild", "ruder"} {
		if got := send(strings.Replace(message, "rude", other, 1)); got != "113" {
			t.Errorf("%s with its id: %s", other, got)
		}
	}
	if len(b.asked) > 0 {
		t.Errorf("asked %s", <-b.asked)
	}
	// The backend is asked again about a message that it refused.
	fresh := strings.Replace(message, `"1"`, `"2"`, 1)
	if got := send(fresh); got != "1001" {
		t.Errorf("refused: %s", got)
	}
	b.next(t)
	b.on("/publish", `{}`)
	if got := send(fresh); !strings.HasPrefix(got, "{") {
		t.Errorf("let pass: %s", got)
	}
	b.next(t)
}
