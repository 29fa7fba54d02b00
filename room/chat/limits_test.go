package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"webim/room"
	"webim/room/policy"
	"webim/room/wire"
)

// TestLimitsAreExact checks that a message at the limits of room.info is accepted, and that one
// more byte or character is refused. So a client can count as the server does, with these limits
// alone.
func TestLimitsAreExact(t *testing.T) {
	const most, incoming = 3000, 8 << 10
	small, large := talkative(), talkative()
	small.MaxPublication, large.MaxPublication = most, 1<<20
	h := build(t, room.Config{MaxIncoming: incoming, Text: policy.TextLimits{Bytes: 2500, Graphemes: 2000}, Options: policy.Patterns{{Match: "large", Options: large}, {Match: "*", Options: small}}.Options})
	alice := h.come("alice")
	limits := func(name string) (l limits) {
		var info infoResult
		if err := json.Unmarshal([]byte(alice.must("room.info", fmt.Sprintf(`{"room":%q}`, name))), &info); err != nil {
			t.Fatal(err)
		}
		return info.Limits
	}
	got := limits("lobby")
	if got.Text != 2500 || got.Characters != 2000 || got.Message <= most-200 || got.Message >= most {
		t.Fatalf("the limits are %+v", got)
	}
	if l := limits("large"); l.Message != incoming-1024 {
		t.Errorf("with incoming messages of %d bytes the limit is %d", incoming, l.Message)
	}
	send := func(id, data string) (result, fault string) {
		return alice.call("send", fmt.Sprintf(`{"room":"lobby","id":%q,"data":%s,"reply":1}`, id, data))
	}
	alice.must("send", `{"room":"lobby","data":{"text":"the first"}}`)
	for i, tc := range []struct {
		data  func(n int) string
		fills int
		code  wire.ErrorCode
	}{
		{func(n int) string { return fmt.Sprintf(`{"text":"%s"}`, strings.Repeat("x", n)) }, got.Characters, wire.ErrText},
		{func(n int) string {
			return fmt.Sprintf(`{"text":"%s%s"}`, strings.Repeat("é", 1000), strings.Repeat("x", n))
		}, got.Text - 2000, wire.ErrText},
		{func(n int) string { return fmt.Sprintf(`{"text":"a\n","more":"%s"}`, strings.Repeat("x", n)) },
			got.Message - len(`{"text":"a\n","more":""}`) - len("id"+"a"+"reply"+"1"), wire.ErrLimitExceeded},
	} {
		if _, fault := send(string(rune('a'+i)), tc.data(tc.fills)); fault != "" {
			t.Errorf("%d: what fills the limit is refused: %s", i, fault)
		}
		if _, fault := send(string(rune('A'+i)), tc.data(tc.fills+1)); !strings.HasPrefix(fault, fmt.Sprint(uint32(tc.code), " ")) {
			t.Errorf("%d: one more than the limit: %q, want the error %d", i, fault, tc.code)
		}
	}
}
