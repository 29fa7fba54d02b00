package hooks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/roomtest"
	"webim/room/wire"
)

// The test kit: a backend, a hub that asks it, and clients.

func TestMain(m *testing.M) { wstest.Main(m) }

// fakeBackend is an application's backend: it records requests and has a reply for each path.
type fakeBackend struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]func(w http.ResponseWriter, body string)
	asked   chan string // "path body"
	header  chan http.Header
}

func newBackend(t *testing.T) *fakeBackend {
	b := &fakeBackend{answers: map[string]func(http.ResponseWriter, string){}, asked: make(chan string, 1000), header: make(chan http.Header, 1000)}
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
func (b *fakeBackend) on(path, answer string) {
	b.do(path, func(w http.ResponseWriter, _ string) { io.WriteString(w, answer) })
}

func (b *fakeBackend) do(path string, f func(http.ResponseWriter, string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[path] = f
}

// next returns the next request, without the parts that differ from run to run.
func (b *fakeBackend) next(t *testing.T) string {
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
	case <-time.After(wstest.Patience):
		t.Fatal("nothing is asked")
		return ""
	}
}

// node is a hub with its server.
type node struct {
	t   *testing.T
	hub *room.Hub
	ws  string // the address for clients
}

// startHooked runs a hub that asks the backend. Its rooms are closed: nobody may do anything
// without the backend's permission.
func startHooked(t *testing.T, hc Config, rc room.Config) *node {
	t.Helper()
	hc.Logger = cmp.Or(hc.Logger, slog.New(slog.DiscardHandler))
	hooks := New(hc)
	rc.Backend = hooks
	if rc.Options == nil {
		rc.Options = policy.Patterns{{Match: "*", Options: policy.Options{History: retention}}}.Options
	}
	if rc.Engine == nil {
		rc.Engine = memory.New(memory.Limits{})
	}
	hub := room.NewHub(rc)
	return &node{t: t, hub: hub, ws: roomtest.Serve(t, hub, hooks.Close)}
}

// soon calls try with a time that comes soon, for a reply of the backend, until try reports that webim had the reply
// before that time. A busy machine needs longer for that than others, so each try has twice the time of the one before.
func soon(t *testing.T, try func(expireAt int64) bool) {
	t.Helper()
	for after := 2 * time.Second; !try(time.Now().Add(after).Unix()); after *= 2 { // of which less than a second is cut off
		if after > wstest.Patience {
			t.Fatal("no reply of the backend comes before what it allows expires")
		}
	}
}

// retention is the history of the rooms in these tests.
var retention = engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}

func urls(base string, hooks ...backend.Hook) (all [backend.NumHooks]string) {
	for _, k := range hooks {
		all[k] = base + "/" + k.String()
	}
	return all
}

// client is a connection of a test.
type client struct {
	t *testing.T
	*wstest.Protocol
}

// come connects without a token and returns the reply. encoding is a subprotocol; "" means JSON.
func (n *node) come(encoding string, r *protocol.ConnectRequest) (*client, *protocol.Reply) {
	n.t.Helper()
	c := &client{n.t, wstest.OpenProtocol(n.t, n.ws, wire.EndpointPath, encoding == wire.SubprotocolProtobuf)}
	n.t.Cleanup(func() { _ = c.Conn.Close() })
	c.command(&protocol.Command{Id: 1, Connect: r})
	reply, err := c.Next()
	var end wstest.ClosedError
	switch {
	case errors.As(err, &end):
		return c, &protocol.Reply{Error: &protocol.Error{Message: fmt.Sprintf("closed: %d %s", end.Code, end.Reason)}}
	case err != nil:
		n.t.Fatal(err)
	}
	return c, reply
}

// command sends a command.
func (c *client) command(cmd *protocol.Command) {
	c.t.Helper()
	if err := c.Say(cmd); err != nil {
		c.t.Fatal(err)
	}
}

// next reads one reply or push.
func (c *client) next() *protocol.Reply {
	c.t.Helper()
	r, err := c.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// closing reads until the connection is closed, and returns its code and reason.
func (c *client) closing() string {
	c.t.Helper()
	code, reason := c.Disconnected()
	return fmt.Sprintf("closed: %d %s", code, reason)
}
