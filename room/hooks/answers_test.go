package hooks

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/policy"
	"webim/room/wire"
)

// TestWhatIsAnAnswer checks that a reply that is not exactly an acceptance is none: it is invalid.
func TestWhatIsAnAnswer(t *testing.T) {
	const yes, no, none = "yes", "no", "no answer"
	for _, c := range []struct{ answer, want string }{
		{`{}`, yes},
		{" {\n} ", yes},
		{`{"result":{}}`, yes},
		{`{"result":[]}`, yes}, // of PHP
		{`{"result":{},"error":null,"disconnect":null}`, yes},
		{`{"result":{"info":{"a":1}},"trace":"x"}`, yes},
		{`{"result":{"storage":{"Expired":true},"b64info":""}}`, yes},
		{`{"result":{"override":[],"subs":[],"channels":[]}}`, yes},

		{`{"error":{"code":403,"message":"no"}}`, no},
		{`{"result":null,"error":{"code":403}}`, no},
		{`{"disconnect":{"code":4500,"reason":"no"}}`, no},
		{`{"error":{"code":403},"status":"denied"}`, no},

		{``, none},
		{` `, none},
		{`null`, none},
		{`[]`, none},
		{`[{}]`, none},
		{`"ok"`, none},
		{`ok`, none},
		{`true`, none},
		{`1`, none},
		{`{}{}`, none},
		{`{} ok`, none},
		{`{"status":"denied"}`, none},
		{`{"allowed":false}`, none},
		{`{"result":null}`, none},
		{`{"error":null}`, none},
		{`{"result":true}`, none},
		{`{"result":false}`, none},
		{`{"result":"ok"}`, none},
		{`{"result":""}`, none},
		{`{"result":0}`, none},
		{`{"result":[{}]}`, none},
		{`{"Result":{}}`, none},
		{`{"Error":{"code":403}}`, none},
		{`{"result":{},"Error":{"code":403}}`, none},
		{`{"result":{},"ERROR":null}`, none},
		{`{"result":{},"error":{"code":403}}`, none},
		{`{"result":{},"error":{}}`, none},
		{`{"result":{},"error":"denied"}`, none},
		{`{"result":{},"error":false}`, none},
		{`{"result":{},"disconnect":{"code":4500}}`, none},
		{`{"error":{"code":403},"disconnect":{"code":4500}}`, none},
		{`{"error":{"code":0}}`, none},
		{`{"error":{"Code":403}}`, none},
		{`{"error":[]}`, none},
		{`{"error":"denied"}`, none},
		{`{"disconnect":{}}`, none},
		{`{"result":{},"result":{}}`, none},
		{`{"result":{},"error":{"code":403},"error":null}`, none},
		{`{"result":{"expired":true,"expired":false}}`, none},
		{`{"result":{"Expired":true}}`, none},
		{`{"result":{"expired":"true"}}`, none},
		{`{"result":{"expire_at":"tomorrow"}}`, none},
		{`{"result":{"skip_history":1}}`, none},
	} {
		for _, k := range []backend.Hook{backend.HookSubscribe, backend.HookPublish, backend.HookRefresh, backend.HookConnect, backend.HookRPC} {
			want := c.want
			if strings.HasPrefix(strings.TrimSpace(c.answer), "{") && strings.TrimSpace(strings.Trim(strings.TrimSpace(c.answer), "{}")) == "" && (k == backend.HookConnect || k == backend.HookRPC) {
				want = none // they need a result
			}
			_, err := answerOf([]byte(c.answer), k)
			got := no
			var wrong *answerError
			if errors.As(err, &wrong) {
				got = none
			} else if err == nil {
				got = yes
			}
			if got != want {
				t.Errorf("%s answers %q: %s (%v), want %s", k, c.answer, got, err, want)
			}
		}
	}
}

// TestBusyIsNotSilence checks that a hook without a free place is busy, which is not the same as a
// backend that does not reply: the client is told to try again, even if Open is set. A hook with
// all places taken delays no other hook.
func TestBusyIsNotSilence(t *testing.T) {
	b := newBackend(t)
	hold := make(chan struct{})
	b.on("/connect", `{"result":{"user":"42"}}`)
	slow := func(w http.ResponseWriter, body string) {
		if strings.Contains(body, "slow") {
			<-hold
		}
		io.WriteString(w, `{"result":{}}`)
	}
	b.do("/rpc", slow)
	b.do("/publish", slow)
	hc := Config{URLs: urls(b.URL, backend.HookConnect, backend.HookPublish, backend.HookRPC), Timeout: wstest.Patience, Concurrency: 1}
	hc.Open[backend.HookPublish] = true
	n := startHooked(t, hc, room.Config{Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), History: retention}}}.Options})
	var attackers []*client
	for range 2 + budget.WaitFactor {
		c, _ := n.come("", &protocol.ConnectRequest{})
		attackers = append(attackers, c)
	}
	for i, c := range attackers {
		for id := range uint32(10) {
			c.command(&protocol.Command{Id: uint32(i)*100 + id + 2, Rpc: &protocol.RPCRequest{Method: "m", Data: []byte(`"slow"`)}})
		}
	}
	victim, _ := n.come("", &protocol.ConnectRequest{})
	say := func(c *client, id uint32, text string) {
		c.command(&protocol.Command{Id: id, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`"` + text + `"`)}})
	}
	say(victim, 2, "quick")
	if r := victim.next(); r.Error != nil {
		t.Errorf("the places of calls are full, and publishing fails: %v", r)
	}

	// The first runs, the next ones wait, and the last one finds no place.
	hooks, done := New(hc), make(chan error, 10)
	for range 2 + budget.WaitFactor {
		hooks.Ask(backend.Request{Hook: backend.HookPublish, Payer: budget.User("a"), Data: []byte(`"slow"`)}, func(_ backend.Reply, err error) { done <- err })
	}
	if err := <-done; !errors.Is(err, wire.ErrTooManyRequests) {
		t.Errorf("publishing without a place: %v, want to be told to try again", err)
	}
	close(hold)
	for range 1 + budget.WaitFactor {
		<-done
	}
	hooks.Close(t.Context())
}
