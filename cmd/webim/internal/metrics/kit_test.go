package metrics

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"webim/cmd/webim/internal/certs"
	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/hooks"
	"webim/room/mux"
	"webim/room/policy"
	"webim/room/token"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// settings are those of a node.
type settings struct {
	net   netpoll.Config
	room  room.Config
	hooks hooks.Config
}

// node is a server with its metrics.
type node struct {
	t            *testing.T
	server       *netpoll.Server
	hub          *room.Hub
	engine       *slowEngine
	ready        atomic.Bool
	addr, secure string
	sign         *token.Signer
	registry     *prometheus.Registry
}

var secret = token.Key{Secret: []byte("a secret of thirty-two bytes or more")}

// start runs a node until the test ends. Its backend answers the paths /accept, /deny and /fail.
func start(t *testing.T, change func(*settings)) *node {
	t.Helper()
	n := &node{t: t, engine: &slowEngine{Engine: memory.New(memory.Limits{MaxKeys: 8})}}
	var err error
	n.sign, err = token.NewSigner(secret)
	n.must(err)
	v, err := token.New(token.Config{Keys: []token.Key{secret}})
	n.must(err)
	application := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(application.Close)
	quiet := slog.New(slog.DiscardHandler)
	rights := policy.Patterns{{Match: "closed"}, {Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}
	c := settings{
		netpoll.Config{PingInterval: -1, Logger: quiet, Workers: 2},
		room.Config{Engine: n.engine, Options: rights.Options, Tokens: v, Revoked: &token.Revoked{}, Anonymous: true, Rates: policy.NoRates, UserRates: policy.NoRates, LeaveDelay: -1},
		hooks.Config{Logger: quiet, Rooms: []string{"asked"}},
	}
	if change != nil {
		change(&c)
	}
	for k, path := range c.hooks.URLs {
		if path != "" {
			c.hooks.URLs[k] = application.URL + path
		}
	}
	asks := hooks.New(c.hooks)
	if c.hooks.URLs != [backend.NumHooks]string{} {
		c.room.Backend = asks
	}
	n.hub = room.NewHub(c.room)
	dialects := mux.New(n.hub)
	n.server = netpoll.New(c.net, dialects)
	dialects.Start(n.server)
	n.addr = n.listen(nil)
	made, err := certs.New("", "")
	n.must(err)
	n.secure = n.listen(made.Config())
	n.registry = Registry(Config{Server: n.server, Hub: n.hub, Hooks: hooks.NewSwitch(asks), Until: made.Until, Ready: n.ready.Load, Version: "0.1", Revision: "abc", GoVersion: "go1"})
	wstest.Eventually(t, "the workers wait", func() bool { return n.server.Stats().WorkersBusy == 0 })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
		defer cancel()
		n.engine.let()
		if err := n.server.Shutdown(ctx, 0); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		n.hub.Stop()
		ended, cancelHooks := context.WithCancel(ctx)
		cancelHooks()
		asks.Close(ended)
		v.Close()
	})
	return n
}

// answer is the application's backend.
func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch r.URL.Path {
	case "/accept":
		_, _ = io.WriteString(w, `{"result":{}}`)
	case "/deny":
		_, _ = io.WriteString(w, `{"error":{"code":1000,"message":"no"}}`)
	case "/hang":
		<-r.Context().Done()
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (n *node) listen(cfg *tls.Config) string {
	addr, err := n.server.Listen(netpoll.Listener{Addr: "127.0.0.1:0", TLS: cfg})
	n.must(err)
	return addr.String()
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// token returns a token of a user.
func (n *node) token(user string, expires time.Duration) string {
	n.t.Helper()
	text, err := n.sign.Sign(token.Claims{User: user, Expires: time.Now().Add(expires).Unix()})
	n.must(err)
	return text
}

// series reads all series. The name of one is webim_x{value,value}; a histogram is its count.
func (n *node) series() map[string]float64 {
	n.t.Helper()
	families, err := n.registry.Gather()
	n.must(err)
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			all[name] = cmp.Or(m.GetCounter().GetValue(), m.GetGauge().GetValue(), float64(m.GetHistogram().GetSampleCount()))
		}
	}
	return all
}

// slowEngine is an engine that can be held up, and fail.
type slowEngine struct {
	engine.Engine
	failing atomic.Bool

	mu   sync.Mutex
	held []func() // publications that wait for let
	hold bool
}

// Publish implements engine.Log.
func (e *slowEngine) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	if e.failing.Load() {
		done(engine.Position{}, engine.ErrUnavailable)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.hold {
		e.Engine.Publish(room, m, done)
		return
	}
	m.Data = append([]byte(nil), m.Data...)
	e.held = append(e.held, func() { e.Engine.Publish(room, m, done) })
}

// let passes on the publications that were held up, and all later ones.
func (e *slowEngine) let() {
	e.mu.Lock()
	held := e.held
	e.held, e.hold = nil, false
	e.mu.Unlock()
	for _, f := range held {
		f()
	}
}

func (e *slowEngine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hold = true
}

// Health implements engine.Healther.
func (e *slowEngine) Health() (ok bool, why string) { return !e.failing.Load(), "the test wants it" }

// Stats implements engine.Measured.
func (e *slowEngine) Stats() engine.Stats {
	st := e.Engine.(engine.Measured).Stats()
	e.mu.Lock()
	defer e.mu.Unlock()
	st.Pending = int64(len(e.held))
	return st
}
