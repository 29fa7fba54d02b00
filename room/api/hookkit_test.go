package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/wire"
)

// backend is an application's backend: it records requests and has a reply for each path.
type backend struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]func(w http.ResponseWriter, body string)
	asked   chan string // "path body"
	header  chan http.Header
}

func newBackend(t *testing.T) *backend {
	b := &backend{answers: map[string]func(http.ResponseWriter, string){}, asked: make(chan string, 1000), header: make(chan http.Header, 1000)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s, %v", r.Method, err)
		}
		b.asked <- r.URL.Path + " " + string(body)
		b.header <- r.Header
		b.mu.Lock()
		f := b.answers[r.URL.Path]
		b.mu.Unlock()
		if f == nil {
			t.Errorf("%s is asked", r.URL.Path)
			return
		}
		f(w, string(body))
	}))
	t.Cleanup(b.Close)
	return b
}

// on sets the reply of a path.
func (b *backend) on(path, answer string) {
	b.do(path, func(w http.ResponseWriter, _ string) { io.WriteString(w, answer) })
}

func (b *backend) do(path string, f func(http.ResponseWriter, string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[path] = f
}

// next returns the next request, without the parts that differ from run to run.
func (b *backend) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-b.asked:
		path, body, _ := strings.Cut(got, " ")
		var m map[string]any
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatalf("asked with %q: %v", body, err)
		}
		for _, name := range []string{"client", "at"} {
			delete(m, name)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return path + " " + string(text)
	case <-time.After(patience):
		t.Fatal("nothing is asked")
		return ""
	}
}

// startHooked runs a hub that asks the backend. Its rooms are closed: nobody may do anything
// without the backend's permission.
func startHooked(t *testing.T, hc HooksConfig, rc room.Config) *node {
	t.Helper()
	hc.Logger = slog.New(slog.DiscardHandler)
	hooks := NewHooks(hc)
	rc.Backend = hooks
	if rc.Options == nil {
		rc.Options = room.Patterns{{Match: "*", Options: room.Options{History: retention}}}.Options
	}
	if rc.Engine == nil {
		rc.Engine = memory.New(memory.Limits{})
	}
	hub := room.NewHub(rc)
	return &node{t: t, hub: hub, ws: serve(t, hub, hooks.Close)}
}

// retention is the history of the rooms in these tests.
var retention = engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}

func urls(base string, hooks ...room.Hook) (all [room.NumHooks]string) {
	for _, k := range hooks {
		all[k] = base + "/" + k.String()
	}
	return all
}

// come connects without a token and returns the reply.
func (n *node) come(encoding string, r *protocol.ConnectRequest) (*client, *protocol.Reply) {
	n.t.Helper()
	c := n.dial(wire.EndpointPath, encoding)
	c.command(&protocol.Command{Id: 1, Connect: r})
	reply, closed := c.read()
	if closed != "" {
		return c, &protocol.Reply{Error: &protocol.Error{Message: closed}}
	}
	return c, reply
}
