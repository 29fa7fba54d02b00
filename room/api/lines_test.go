package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/centrifugal/gocent/v3"

	"webim/netpoll/wstest"
)

// TestLines checks that the older form gets one reply line per command, in order.
func TestLines(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	c.subscribe("r")
	for _, one := range []struct{ body, want string }{
		{`{"method":"presence_stats","params":{"channel":"r"}}`, `{"result":{"num_clients":1,"num_users":1}}`},
		{`{"id":3,"method":"send","params":{"user":"ann","data":1}}` + "\n" + `{"method":"nothing"}{"method":"publish"}` + "\n\n",
			`{"id":3,"result":{}}` + "\n" + `{"error":{"code":104,"message":"method not found: there is no method \"nothing\""}}` + "\n" +
				`{"error":{"code":107,"message":"bad request: channel is missing"}}`},
		{`{"method":"history","params":[]}`, `{"error":{"code":107,"message":"bad request: channel is missing"}}`}, // as PHP writes {}
		{`{"method":"history","params":["r"]}`, `{"error":{"code":107,"message":"bad request: the value of \"\" has the wrong type"}}`},
		{`{"method":"batch","params":{}}`, `{"error":{"code":104,"message":"method not found: there is no method \"batch\""}}`},
		{`{"method":"send","params":{"user":"ann","data":2}}{"metod":"info"}`, `{"error":{"code":107,"message":"bad request: there is no field \"/metod\""}}`},
		{`{"method":"send","params":{"user":"ann","data":3}}{`, `{"error":{"code":107,"message":"bad request: the body is not JSON"}}`},
		{strings.Repeat(`{"method":"info"}`, 21), `{"error":{"code":107,"message":"bad request: there are more than 20 commands"}}`},
	} {
		if status, got := n.ask(http.MethodPost, linesPath, one.body, nil); status != 200 || got != one.want {
			t.Errorf("%s:\n%d, %s\nwant %s", one.body, status, got, one.want)
		}
	}
	n.ok("send", `{"user":"ann","data":"end"}`)
	if got := string(c.next().Push.Message.Data) + string(c.next().Push.Message.Data); got != `1"end"` {
		t.Errorf("commands of invalid bodies were run: %s", got)
	}
}

// TestGocent checks that Centrifugo's library for Go works unchanged.
func TestGocent(t *testing.T) {
	n := start(t, nil)
	transport := &http.Transport{DisableKeepAlives: true}
	lib := gocent.New(gocent.Config{Addr: n.http + "/api", Key: key, HTTPClient: &http.Client{Timeout: wstest.Patience, Transport: transport}})
	ctx, room := context.Background(), "r"
	c := n.chat("ann", "")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	check(lib.Subscribe(ctx, room, "ann"))
	if r := c.next(); r.Push.Subscribe == nil {
		t.Errorf("%+v", r)
	}
	at, err := lib.Publish(ctx, room, []byte(`{"text":"hi"}`))
	check(err)
	if p := c.pub(room); string(p.Data) != `{"text":"hi"}` || p.Offset != at.Offset {
		t.Errorf("%+v at %+v", p, at)
	}
	_, err = lib.Broadcast(ctx, []string{room, "s"}, []byte(`2`), gocent.WithSkipHistory(true))
	check(err)
	c.pub(room)
	h, err := lib.History(ctx, room, gocent.WithLimit(gocent.NoLimit))
	check(err)
	if len(h.Publications) != 1 || string(h.Publications[0].Data) != `{"text":"hi"}` || h.Epoch != at.Epoch {
		t.Errorf("%+v", h)
	}
	check(lib.HistoryRemove(ctx, "s"))
	who, err := lib.Presence(ctx, room)
	check(err)
	if who.Presence[c.id].User != "ann" {
		t.Errorf("%+v", who)
	}
	stats, err := lib.PresenceStats(ctx, room)
	check(err)
	rooms, err := lib.Channels(ctx, gocent.WithPattern("r*"))
	check(err)
	info, err := lib.Info(ctx)
	check(err)
	if _, there := rooms.Channels[room]; !there || stats.NumClients != 1 || len(info.Nodes) != 1 || info.Nodes[0].NumClients != 1 {
		t.Errorf("%+v, %+v, %+v", stats, rooms, info)
	}
	pipe := lib.Pipe()
	check(pipe.AddPublish(room, []byte(`3`)))
	check(pipe.AddPublish("bare", []byte(`4`)))
	replies, err := lib.SendPipe(ctx, pipe)
	check(err)
	if len(replies) != 2 || replies[0].Error != nil {
		t.Errorf("%+v", replies)
	}
	c.pub(room)
	check(lib.Unsubscribe(ctx, room, "ann"))
	if r := c.next(); r.Push.Unsubscribe == nil {
		t.Errorf("%+v", r)
	}
	check(lib.Disconnect(ctx, "ann", gocent.WithDisconnect(&gocent.Disconnect{Code: 4000, Reason: "go", Reconnect: true})))
	if got := c.closing(); got != "closed: 4000 go" {
		t.Error(got)
	}
}
