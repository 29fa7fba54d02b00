package api

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/apikey"
	"webim/room/chat"
)

// TestPublicationSizeOfBackends checks that messages from the server API, and data that the publish
// hook replaced, have the same size limit as messages of users, including tags and author.
func TestPublicationSizeOfBackends(t *testing.T) {
	const most = 2000
	long := strings.Repeat("x", most)
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42"}}`)
	n := startHooked(t, HooksConfig{URLs: urls(b.URL, room.HookConnect, room.HookPublish), Timeout: patience},
		room.Config{Calls: chat.New(), MaxPublication: most, Text: room.TextLimits{Bytes: -1, Graphemes: -1},
			Options: room.Patterns{{Match: "*", Options: room.Options{Rights: room.OpenRights(), History: retention}}}.Options})
	h, err := New(Config{Hub: n.hub, Keys: []apikey.Key{{Name: "test", Secret: key}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	n.http = web.URL
	for _, body := range []string{
		fmt.Sprintf(`"data":{"text":%q}`, long),
		fmt.Sprintf(`"data":{"other":%q}`, long),
		fmt.Sprintf(`"b64data":%q`, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"text":%q}`, long))),
		fmt.Sprintf(`"data":1,"tags":{"a":%q}`, long),
		fmt.Sprintf(`"data":1,"user":"u","info":{"name":%q}`, long),
		fmt.Sprintf(`"data":%q,"tags":{"a":%q}`, long[most/2:], long[most/2:]),
	} {
		for _, ask := range []string{`publish {"channel":"r",%s}`, `broadcast {"channels":["r"],%s}`} {
			method, format, _ := strings.Cut(ask, " ")
			if got := n.call(method, format, body); !strings.Contains(got, `"code":106`) {
				t.Errorf("%s of %.40s: %.200s", method, body, got)
			}
		}
	}
	c, _ := n.come("", &protocol.ConnectRequest{})
	b.next(t)
	b.on("/publish", fmt.Sprintf(`{"result":{"data":{"text":%q}}}`, long))
	c.command(&protocol.Command{Id: 2, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"short"}`)}})
	if r := c.next(); r.Error == nil || r.Error.Code != 106 {
		t.Errorf("by the answer of a hook: %v", r)
	}
	if h := must[historyResult](n, "history", `{"channel":"r","limit":-1}`); len(h.Publications) != 0 {
		t.Errorf("%d messages are remembered", len(h.Publications))
	}
}
