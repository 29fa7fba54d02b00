package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine/memory"
	"webim/room/roomtest"
)

// TestPublicationSizeOfBackends checks that messages from the server API have the same size limit as
// messages of users, including tags and author.
func TestPublicationSizeOfBackends(t *testing.T) {
	const most = 2000
	long := strings.Repeat("x", most)
	hub := room.NewHub(room.Config{Engine: memory.New(memory.Limits{}), MaxPublication: most, Options: rooms.Options})
	roomtest.Serve(t, hub, func(context.Context) {})
	n := restricted(t, &node{t: t, hub: hub}, new(wstest.Log))
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
	if h := must[historyResult](n, "history", `{"channel":"r","limit":-1}`); len(h.Publications) != 0 {
		t.Errorf("%d messages are remembered", len(h.Publications))
	}
}
