package live

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/flight"
	"webim/room/identity"
	"webim/room/token"
)

// kindsOf returns the kinds of the events of a trace, each once.
func kindsOf(t *flight.TraceView) (all []string) {
	for _, e := range t.Events {
		kind := e.Kind
		if e.What != "" {
			kind += " " + e.What
		}
		if !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
}

// awaitTrace reads figures until the trace has events of all these kinds.
func (c *client) awaitTrace(kinds ...string) *flight.TraceView {
	c.t.Helper()
	return c.next(fmt.Sprint("a trace with ", kinds), func(m message) bool {
		return m.Trace != nil && !slices.ContainsFunc(kinds, func(kind string) bool { return !slices.Contains(kindsOf(m.Trace), kind) })
	}).Trace
}

// TestTrace checks that a watcher with a key sees what a user, or the members of a room, send, get and are refused;
// that a trace leaves a line in the audit log, ends, and needs a key.
func TestTrace(t *testing.T) {
	log := new(wstest.Log)
	n := start(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, netpoll.Config{}, netpoll.Config{})
	ann, _ := n.chat(n.token(token.Claims{User: "ann"}), "tea")
	bob, _ := n.chat(n.token(token.Claims{User: "bob"}), "milk")
	plain := n.dial(n.addr, "/tea")
	w, _ := n.watch()
	w.say(`{"trace":{"user":"ann","seconds":60}}`)
	w.next("the connection is traced", func(m message) bool { return m.Trace != nil && m.Trace.Connections == 1 })
	for _, c := range []*client{ann, bob} {
		c.say(`{"id":7,"publish":{"channel":"tea","data":{"text":"a secret text"}}}`)
		c.say(`{"id":8,"publish":{"channel":"","data":{}}}`)
	}
	got := w.awaitTrace("message", "sent", "command publish", "refusal 107 bad request")
	for _, e := range got.Events {
		if e.User != "ann" || e.Kind == "command" && e.Bytes < 10 || strings.Contains(fmt.Sprint(e), "secret") {
			t.Errorf("traced: %+v", e)
		}
	}
	w.say(`{"trace":{"room":"tea","seconds":60}}`)
	w.next("the members are traced", func(m message) bool { return m.Trace != nil && m.Trace.Room == "tea" && m.Trace.Connections == 2 })
	plain.Send(0x81, "a secret text")
	w.awaitTrace("message", "sent")
	_ = plain.Conn.Close()
	w.awaitTrace("ended network: client gone")
	w.say(`{"trace":{}}`)
	w.next("the trace is over", func(m message) bool { return m.Now != nil && m.Trace == nil })
	if !strings.Contains(log.String(), "msg=audit action=trace by=\"key ") || !strings.Contains(log.String(), "target=ann seconds=60") {
		t.Errorf("the log has %s", log)
	}
	w.say(`{"trace":{"user":"ann","seconds":60}}`)
	w.next("it is traced again", func(m message) bool { return m.Trace != nil && m.Trace.Connections == 1 })
	w.Leave()
	wstest.Eventually(t, "the trace ends with the last watcher", func() bool { return n.feed.cfg.Flights.Trace() == nil })

	for _, bad := range []string{`{"user":"ann","seconds":601}`, `{"user":"ann","seconds":-1}`, `{"user":"ann","room":"tea","seconds":1}`} {
		w, _ := n.watch()
		w.say(`{"trace":%s}`, bad)
		if code := w.closed(); code != CodeBadRequest {
			t.Errorf("%s: closed with %d", bad, code)
		}
	}
	boss := n.dial(n.feeds, FeedPath)
	boss.say(`{"token":%q}`, n.token(token.Claims{User: "boss", Roles: []string{"admin"}}))
	boss.say(`{"trace":{"user":"ann","seconds":60}}`)
	if code := boss.closed(); code != CodeDenied || n.feed.cfg.Flights.Trace() != nil {
		t.Errorf("a token: closed with %d", code)
	}
}

// TestTraceFromTheStart checks that a trace of a user has new connections from their start, in both dialects, and handshakes that
// are refused, and nothing of other users.
func TestTraceFromTheStart(t *testing.T) {
	n := start(t, Config{Every: time.Hour}, netpoll.Config{}, netpoll.Config{}) // no tick marks a connection
	flights := n.feed.cfg.Flights
	flights.StartTrace(flight.Target{User: "ann"}, time.Minute)
	n.chat(n.token(token.Claims{User: "bob"}), "tea")
	n.chat(n.token(token.Claims{User: "ann"}), "tea")
	plain := n.dial(n.addr, "/tea?token="+n.token(token.Claims{User: "ann"}))
	plain.Send(0x81, "at once")
	if c, status := n.dialTo(n.addr, "/tea?token="+n.token(token.Claims{User: "ann", Expires: 1})); c != nil {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"opened", "command connect", "message", "refused 401 the token has expired"} {
		wstest.Eventually(t, "the trace has "+want, func() bool { return slices.Contains(kindsOf(flights.Trace()), want) })
	}
	v := flights.Trace()
	opened := 0
	for _, e := range v.Events {
		if e.User != "ann" {
			t.Errorf("traced: %+v", e)
		}
		if e.Kind == "opened" {
			opened++
		}
	}
	if opened != 2 || v.Connections != 2 {
		t.Errorf("%d have opened, %d are traced", opened, v.Connections)
	}
}

// TestRemovalIsRecorded checks that the record of a connection has its removal from a room.
func TestRemovalIsRecorded(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	ann, _ := n.chat(n.token(token.Claims{User: "ann"}), "tea")
	for c := range n.main.Conns() {
		identity.SessionOf(c).Leave("tea")
	}
	ann.HangUp()
	wstest.Eventually(t, "the removal is recorded", func() bool {
		all := n.feed.cfg.Flights.Find("ann", 1)
		return len(all) == 1 && slices.ContainsFunc(all[0].Events, func(e flight.Event) bool { return e.What == "2000 server unsubscribe, removed from a room" })
	})
}
