package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/nats-io/nats-server/v2/server"

	"webim/netpoll/wstest"
)

// TestNATSAway takes NATS away from two nodes with clients. They stay connected, and learn at once that nothing can be
// sent or read; /health says so. Afterwards all of them have everything, on the same connections.
func TestNATSAway(t *testing.T) {
	t.Parallel()
	program, dir := build(t, false), t.TempDir()
	port := int(wstest.FreeAddr(t).Port())
	addr, stop := serveNATS(t, &server.Options{JetStream: true, StoreDir: dir, Port: port})
	a, b := startNode(t, program, addr), startNode(t, program, addr)
	ann, annID := a.user("ann")
	bob, bobID := b.user("bob")
	plain := wstest.ConnectPath(t, b.addrs[0], "/r?token="+tokenOf(t, "cy"))
	for _, c := range []*wstest.Protocol{ann, bob} {
		c.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	}
	said := func(text string) {
		t.Helper()
		ann.Publish("r", `{"text":"`+text+`"}`)
		for _, c := range []*wstest.Protocol{ann, bob} {
			c.ResetDeadline()
			if p := c.Push(); p.Pub == nil || !strings.Contains(string(p.Pub.Data), text) {
				t.Errorf("%+v", p)
			}
		}
		plain.ResetDeadline()
		if _, got, err := plain.ReadMessage(); err != nil || !strings.Contains(string(got), text) {
			t.Errorf("%s %v", got, err)
		}
	}
	said("before")

	stop()
	for _, n := range []*running{a, b} {
		retry(t, func() bool {
			status, body := get(t, "tcp", n.addrs[0], "/health")
			return status == http.StatusServiceUnavailable && strings.Contains(body, "store")
		})
	}
	for what, c := range map[string]*protocol.Command{
		"a send":     {Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"in vain"}`)}},
		"a join":     {Subscribe: &protocol.SubscribeRequest{Channel: "another"}},
		"a list":     {Presence: &protocol.PresenceRequest{Channel: "r"}},
		"old ones":   {History: &protocol.HistoryRequest{Channel: "unknown", Limit: 10}},
		"a position": {History: &protocol.HistoryRequest{Channel: "unknown"}},
	} {
		if e := ann.ExpectError(c); e.Code != 100 || !e.Temporary || !strings.Contains(e.Message, "try again later") {
			t.Errorf("%s without NATS: %+v", what, e)
		}
	}

	serveNATS(t, &server.Options{JetStream: true, StoreDir: dir, Port: port})
	for _, n := range []*running{a, b} {
		retry(t, func() bool { status, _ := get(t, "tcp", n.addrs[0], "/health"); return status == http.StatusOK })
	}
	said("after")
	if h := ann.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "r", Limit: 10}}); len(h.History.Publications) != 2 {
		t.Errorf("the history has %+v", h.History.Publications)
	}
	got := b.call("presence", `{"channel":"r"}`)
	if !strings.Contains(got, annID) || !strings.Contains(got, bobID) {
		t.Errorf("other connections than before: %s", got)
	}
}
