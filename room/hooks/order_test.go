package hooks

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/policy"
)

// TestHooksKeepOrder checks that the messages of a client are published in their order, however
// late each reply of the backend is, and that other clients do not wait for it.
func TestHooksKeepOrder(t *testing.T) {
	b := newBackend(t)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookPublish), Timeout: wstest.Patience},
		room.Config{Anonymous: true, Rates: policy.NoRates, UserRates: policy.NoRates, Options: policy.Patterns{{Match: "*", Options: policy.Options{
			Rights: policy.OpenRights(), History: engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}}}}.Options})
	hold := make(chan struct{})
	b.do("/publish", func(w http.ResponseWriter, body string) {
		if strings.Contains(body, `"n":0,`) {
			<-hold
		}
		io.WriteString(w, `{}`)
	})
	slow, _ := n.come("", &protocol.ConnectRequest{})
	const count = 50
	var commands []*protocol.Command
	for i := range count {
		commands = append(commands, &protocol.Command{Id: uint32(i + 2), Publish: &protocol.PublishRequest{Channel: "r", Data: fmt.Appendf(nil, `{"n":%d,"by":"slow"}`, i)}})
	}
	for _, cmd := range commands[:count/2] {
		slow.command(cmd)
	}
	b.next(t) // the backend has the first request, and has not replied
	other, _ := n.come("", &protocol.ConnectRequest{})
	other.command(&protocol.Command{Id: 2, Publish: &protocol.PublishRequest{Channel: "other", Data: []byte(`{}`)}})
	if r := other.next(); r.Id != 2 || r.Error != nil {
		t.Errorf("another client: %v", r)
	}
	for _, cmd := range commands[count/2:] {
		slow.command(cmd)
	}
	close(hold)
	for i := range count {
		if r := slow.next(); r.Id != uint32(i+2) || r.Error != nil {
			t.Fatalf("reply %d: %v", i, r)
		}
	}
	n.hub.History("r", room.HistoryQuery{Limit: -1}, func(h engine.History, _ error) {
		for i, p := range h.Publications {
			if !strings.HasPrefix(string(p.Data), fmt.Sprintf(`{"n":%d,`, i)) {
				t.Fatalf("message %d is %s", i, p.Data)
			}
		}
		if len(h.Publications) != count {
			t.Errorf("%d messages", len(h.Publications))
		}
	})
}

// TestHooksAreShared checks that the requests of one connection do not take the places of others,
// and that they are not sent after the connection is gone.
func TestHooksAreShared(t *testing.T) {
	b := newBackend(t)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookSubscribe), Timeout: wstest.Patience, Concurrency: 40}, room.Config{Anonymous: true})
	hold := make(chan struct{})
	var gone atomic.Int32
	b.do("/subscribe", func(w http.ResponseWriter, body string) {
		if strings.Contains(body, "gone") {
			gone.Add(1)
		}
		if !strings.Contains(body, "quick") {
			<-hold
		}
		io.WriteString(w, `{}`)
	})
	join := func(c *client, id int, room string) {
		c.command(&protocol.Command{Id: uint32(id), Subscribe: &protocol.SubscribeRequest{Channel: room}})
	}
	const count, share = 60, 16
	greedy, _ := n.come("", &protocol.ConnectRequest{})
	banned, r := n.come("", &protocol.ConnectRequest{})
	for i := range count {
		join(greedy, i+2, fmt.Sprint("room", i))
		join(banned, i+2, fmt.Sprint("gone", i))
	}
	for range 2 * share {
		b.next(t)
	}
	other, _ := n.come("", &protocol.ConnectRequest{})
	join(other, 2, "quick")
	if r := other.next(); r.Id != 2 || r.Error != nil {
		t.Errorf("another client: %v", r)
	}
	if got := b.next(t); !strings.Contains(got, "quick") {
		t.Errorf("more than its share is asked for one: %s", got)
	}
	n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlDisconnect, To: engine.Target{Client: r.Connect.Client}, Code: 4500}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if got := banned.closing(); got != "closed: 4500 " {
		t.Error(got)
	}
	close(hold)
	for range count {
		if r := greedy.next(); r.Error != nil {
			t.Fatalf("%v", r)
		}
	}
	if n := gone.Load(); n != share {
		t.Errorf("%d questions for who is gone, want %d", n, share)
	}
}
