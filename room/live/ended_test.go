package live

import (
	"log/slog"
	"strings"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/token"
	"webim/room/wire"
)

// TestEnded checks that a watcher with a key finds the connections that have ended, on all nodes, by user, id
// and address, that each search leaves a line in the audit log, and that a moderator finds none.
func TestEnded(t *testing.T) {
	e, log := memory.New(memory.Limits{}), new(wstest.Log)
	logger := slog.New(slog.NewTextHandler(log, nil))
	here, there := startOn(t, e, Config{Logger: logger}, netpoll.Config{}, netpoll.Config{}), startOn(t, e, Config{}, netpoll.Config{}, netpoll.Config{})
	ann := here.token(token.Claims{User: "ann"})
	first, id := here.chat(ann, "tea")
	second, _ := there.chat(ann, "tea")
	plain := here.dial(here.addr, "/lobby")
	plain.Send(0x81, "a text")
	plain.Expect(0x81, "a text")
	plain.Leave()
	here.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlDisconnect, To: engine.Target{User: "ann"}, Code: 4321, Reason: "go"}, func(err error) { here.must(err) })
	for _, c := range []*client{first, second} {
		if code := c.closed(); code != 4321 {
			t.Fatalf("closed with %d", code)
		}
	}
	wstest.Eventually(t, "all have left", func() bool { return here.hub.Stats().Members+there.hub.Stats().Members == 0 })
	w, _ := here.watch()
	found := w.find(`{"user":"ann"}`).Found
	if len(found.Ended) != 2 || found.Ended[0].Node == found.Ended[1].Node || found.Missing {
		t.Fatalf("of ann: %+v", found)
	}
	for _, r := range found.Ended {
		if r.By != "operator" || r.Code != 4321 || r.Reason != "go" || strings.Join(r.Rooms, "") != "tea" || r.Dialect != "json" || len(r.Events) == 0 || r.MessagesIn < 2 {
			t.Errorf("%+v", r)
		}
	}
	if got := w.find(`{"client":"` + id + `"}`).Found.Ended; len(got) != 1 || got[0].User != "ann" {
		t.Errorf("by its id: %+v", got)
	}
	got := w.find(`{"ip":"127.0.0.1"}`).Found.Ended
	if len(got) != 3 {
		t.Fatalf("by the address: %+v", got)
	}
	for _, r := range got {
		if r.User == "" && (r.By != "client" || r.Dialect != "plain" || r.Events[0].Bytes != len("a text")) {
			t.Errorf("the plain one: %+v", r)
		}
	}
	if !strings.Contains(log.String(), `msg=audit action=why by="key `) || strings.Contains(log.String(), key) {
		t.Errorf("the log has %s", log)
	}
	boss := here.dial(here.feeds, FeedPath)
	boss.say(`{"token":%q}`, here.token(token.Claims{User: "boss", Roles: []string{"admin"}}))
	boss.next("the greeting", func(m message) bool { return m.Hello != nil })
	if got := boss.find(`{"user":"ann"}`).Found.Ended; len(got) > 0 {
		t.Errorf("a moderator finds %+v", got)
	}
}

// TestRefusalsAreRemembered checks that the record of a connection has what it was refused.
func TestRefusalsAreRemembered(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	p := wstest.OpenProtocol(t, n.addr, wire.EndpointPath, false)
	p.SendMessage(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"publish":{"channel":"","data":"x"}}`)
	for range 2 {
		p.Next()
	}
	p.Leave()
	w, _ := n.watch()
	wstest.Eventually(t, "it is found", func() bool { return len(w.find(`{"ip":"127.0.0.1"}`).Found.Ended) == 1 })
	for _, e := range w.find(`{"ip":"127.0.0.1"}`).Found.Ended[0].Events {
		if e.Kind == "refusal" && strings.HasPrefix(e.What, "107 ") && e.Count == 1 {
			return
		}
	}
	t.Errorf("found %+v", w.find(`{"ip":"127.0.0.1"}`).Found.Ended)
}
