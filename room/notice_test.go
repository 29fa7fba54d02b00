package room

import (
	"strings"
	"testing"

	"webim/netpoll"
)

// Who leaves and comes back at once has never been away, for the others; who
// stays away has left. Presence knows better all the time.
func TestLeaveLingers(t *testing.T) {
	n := start(t, Config{Anonymous: true, PingInterval: -1, Options: Patterns{{"*", Options{Notices: true, Presence: true, Rights: OpenRights()}}}.Options}, netpoll.Config{})
	watcher, other := n.chat(), n.chat()
	for _, c := range []*client{watcher, other} {
		c.say(t, `{"id":1,"connect":{}}`)
		c.reply(t)
		c.say(t, `{"id":2,"subscribe":{"channel":"r","join_leave":true}}`)
		for !strings.HasPrefix(c.reply(t), `{"id":2`) {
		}
	}
	joins := 0
	for joins < 2 { // its own, and the other's
		if field(t, watcher.reply(t), "push", "join") != nil {
			joins++
		}
	}
	other.say(t, "{\"id\":3,\"unsubscribe\":{\"channel\":\"r\"}}\n{\"id\":4,\"presence_stats\":{\"channel\":\"r\"}}\n"+
		"{\"id\":5,\"subscribe\":{\"channel\":\"r\"}}\n{\"id\":6,\"publish\":{\"channel\":\"r\",\"data\":1}}")
	for got := ""; !strings.Contains(got, `"id":4`); {
		if got = other.reply(t); strings.Contains(got, `"id":4`) && !strings.Contains(got, `"num_clients":1,`) {
			t.Errorf("presence counts who has left: %s", got)
		}
	}
	if got := watcher.reply(t); field(t, got, "push", "pub", "data") != 1.0 {
		t.Errorf("the next that is told is %s", got)
	}
	other.c.Close()
	if got := watcher.reply(t); field(t, got, "push", "leave", "info", "client") == nil {
		t.Errorf("who stays away has left: %s", got)
	}
}
