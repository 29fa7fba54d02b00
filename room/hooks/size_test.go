package hooks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/policy"
)

// TestPublicationSizeOfReplies checks that data that the publish hook replaced has the same size
// limit as messages of users.
func TestPublicationSizeOfReplies(t *testing.T) {
	const most = 2000
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42"}}`)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookPublish), Timeout: wstest.Patience},
		room.Config{MaxPublication: most, Text: policy.TextLimits{Bytes: -1, Graphemes: -1},
			Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), History: retention}}}.Options})
	c, _ := n.come("", &protocol.ConnectRequest{})
	b.next(t)
	b.on("/publish", fmt.Sprintf(`{"result":{"data":{"text":%q}}}`, strings.Repeat("x", most)))
	c.command(&protocol.Command{Id: 2, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"short"}`)}})
	if r := c.next(); r.Error == nil || r.Error.Code != 106 {
		t.Errorf("by the answer of a hook: %v", r)
	}
	n.hub.History("r", room.HistoryQuery{Limit: -1}, func(h engine.History, err error) {
		if err != nil || len(h.Publications) != 0 {
			t.Errorf("%d messages are remembered: %v", len(h.Publications), err)
		}
	})
}
