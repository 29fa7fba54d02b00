package metrics

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protodelim"

	"webim/netpoll"
	"webim/netpoll/durations"
	"webim/netpoll/wstest"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/centrifuge"
	"webim/room/engine"
	"webim/room/policy"
)

// causes has, for each family, something that makes its series move. The series are written as
// node.series has them.
var causes = []struct {
	name   string
	moves  string
	change func(*settings)
	do     func(*node)
}{
	{"a plain client joins", "webim_connections{plain,open} webim_connections_accepted_total webim_connections_opened_total webim_rooms webim_members webim_engine_topics", nil,
		func(n *node) { wstest.ConnectPath(n.t, n.addr, "/lobby") }},
	{"sockets that say nothing", "webim_connections{none,handshake}", nil, func(n *node) { wstest.Dial(n.t, n.addr) }},
	{"a request for a page", "webim_connections{none,http} webim_connections_closed_total{handed_to_http}", func(s *settings) { s.net.HTTP = http.NotFoundHandler() }, func(n *node) {
		c := wstest.Dial(n.t, n.addr)
		c.SendBytes([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		c.Response()
	}},
	{"messages", "webim_messages_received_total webim_messages_sent_total webim_received_bytes_total webim_sent_bytes_total webim_messages_published_total webim_deliveries_total " +
		"webim_sweeps_total webim_swept_messages_total webim_delivery_latency_seconds webim_engine_publish_seconds webim_turn_wait_seconds webim_worker_busy_seconds_total", nil, sendMany},
	{"a room keeps a message", "webim_engine_bytes", nil, func(n *node) {
		keep := &engine.Retention{Messages: 10, Bytes: 1 << 20, Age: time.Hour}
		n.hub.Publish("lobby", engine.Message{Op: ws.OpText, Data: []byte("a message"), Keep: keep}, nil)
	}},
	{"Centrifuge clients", "webim_connections{json,open} webim_connections{protobuf,open} webim_connections{json,connecting} webim_users", nil, func(n *node) {
		wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false).Connect(&protocol.ConnectRequest{Token: n.token("ann", time.Hour)})
		wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, true).Connect(&protocol.ConnectRequest{})
		wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false)
	}},
	{"a client leaves", "webim_connections_closed_total{client_closed} webim_connections_closed_total{client_gone}", nil, func(n *node) {
		wstest.Connect(n.t, n.addr).Leave()
		wstest.Connect(n.t, n.addr).Conn.Close()
	}},
	{"a close that the client does not answer", "webim_connections{any,closing}", func(s *settings) { s.net.CloseTimeout = time.Hour }, func(n *node) {
		wstest.Connect(n.t, n.addr)
		wstest.Eventually(n.t, "it is open", func() bool { return n.server.Stats().Open == 1 })
		for c := range n.server.Conns() {
			_ = c.Close(1000, "the test wants it")
		}
	}},
	{"refusals", "webim_connections_refused_total{handler} webim_connections_refused_total{malformed_request} webim_connections_closed_total{refused} webim_actions_denied_total", nil, func(n *node) {
		for _, request := range []string{string(wstest.UpgradePath("/closed")), "GET /a b HTTP/1.1\r\n\r\n"} {
			c := wstest.Dial(n.t, n.addr)
			c.SendBytes([]byte(request))
			c.Response()
		}
	}},
	{"a stuck reader", "webim_queued_bytes webim_connections_lagging webim_evictions_total webim_connections_closed_total{out_of_memory}", func(s *settings) { s.net.MaxQueue, s.net.MaxQueued = 8<<20, 1<<20 }, func(n *node) {
		stuck := wstest.ConnectPath(n.t, n.addr, "/lobby")
		wstest.Eventually(n.t, "the hub has published enough", func() bool {
			done := make(chan error, 1)
			n.hub.Publish("lobby", engine.Message{Op: ws.OpBinary, Data: make([]byte, 200<<10)}, func(_ engine.Position, err error) { done <- err })
			<-done
			return n.server.Stats().Evictions > 0
		})
		stuck.Conn.Close()
		makeLag(n)
	}},
	{"half a message", "webim_unfinished_bytes", nil, func(n *node) {
		wstest.Connect(n.t, n.addr).SendBytes(wstest.Frame(0x82, strings.Repeat("x", 1000))[:500])
	}},
	{"TLS", "webim_tls_connections webim_tls_handshakes_total{done} webim_tls_handshakes_total{failed} webim_connections_closed_total{handshake_failed}", nil, func(n *node) {
		wstest.ConnectTLS(n.t, n.secure, true)
		conn, err := net.Dial("tcp", n.secure)
		n.must(err)
		defer conn.Close()
		if tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake() == nil {
			n.t.Error("the server speaks TLS 1.1")
		}
	}},
	{"a panic", "webim_panics_total", nil, func(n *node) { n.server.After(0, func() { panic("the test wants it") }) }},
	{"no descriptor is free", "webim_accept_pauses_total", nil, func(n *node) {
		to, err := net.ResolveTCPAddr("tcp", n.addr)
		n.must(err)
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		n.must(err)
		defer unix.Close(fd)
		var was unix.Rlimit
		n.must(unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
		defer func() { n.must(unix.Setrlimit(unix.RLIMIT_NOFILE, &was)) }()
		n.must(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(fd) + 1, Max: was.Max}))
		n.must(unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}))
		wstest.Eventually(n.t, "a descriptor was missing", func() bool { return n.server.Stats().AcceptPauses > 0 })
	}},
	{"a client sends too much", "webim_read_pauses_total webim_rate_limited_total{input}", func(s *settings) {
		s.room.Rates = policy.DefaultRates
		s.room.Rates.Input = budget.Rate{N: 1000, Per: time.Hour}
	}, func(n *node) {
		c := wstest.ConnectPath(n.t, n.addr, "/lobby")
		for range 4 {
			c.Send(0x81, strings.Repeat("x", 1000))
		}
	}},
	{"a worker works", "webim_workers_busy", nil, func(n *node) {
		working := make(chan bool)
		n.t.Cleanup(func() { close(working) })
		n.server.NewTurn(func() bool { <-working; return false }).Wake()
	}},
	{"publications wait for the engine", "webim_senders_waiting webim_engine_pending_bytes", func(s *settings) { s.room.MaxUnswept = 1 }, func(n *node) {
		n.engine.stop()
		for range 2 {
			wstest.ConnectPath(n.t, n.addr, "/lobby").Send(0x81, "a message")
		}
	}},
	{"a room is not swept", "webim_unswept_bytes", func(s *settings) { s.net.Workers = 1 }, func(n *node) {
		wstest.ConnectPath(n.t, n.addr, "/lobby")
		wstest.Eventually(n.t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
		working := make(chan bool)
		n.t.Cleanup(func() { close(working) })
		n.server.NewTurn(func() bool { <-working; return false }).Wake()
		n.hub.Publish("lobby", engine.Message{Op: ws.OpText, Data: []byte("a message")}, nil)
	}},
	{"the engine fails", "webim_engine_publish_failures_total", nil, func(n *node) {
		n.engine.failing.Store(true)
		n.hub.Publish("lobby", engine.Message{Op: ws.OpText, Data: []byte("a message")}, nil)
		if up := n.series()["webim_engine_up"]; up != 0 {
			n.t.Errorf("webim_engine_up is %v", up)
		}
		n.engine.failing.Store(false)
		if up := n.series()["webim_engine_up"]; up != 1 {
			n.t.Errorf("webim_engine_up is %v", up)
		}
	}},
	{"there are too many keys", "webim_engine_keys_lost_total", nil, func(n *node) {
		for i := range 9 {
			n.hub.Publish("lobby", engine.Message{Op: ws.OpText, Data: []byte("a message"), Key: strconv.Itoa(i)}, nil)
		}
	}},
	{"the state grows", "webim_engine_state_bytes", nil, func(n *node) {
		n.hub.Engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableMark, Of: "ann", Name: "lobby"}, Value: []byte("1"), Version: engine.AnyVersion}, func(uint64, error) {})
	}},
	{"a client sends too often", "webim_rate_limited_total{send} webim_flooders_closed_total", func(s *settings) {
		s.room.Rates = policy.DefaultRates
		s.room.Rates.Send, s.room.Refusals = budget.Rate{N: 2, Per: time.Hour}, budget.Rate{N: 2, Per: time.Hour}
	}, func(n *node) {
		c := wstest.ConnectPath(n.t, n.addr, "/lobby")
		for range 6 {
			_ = c.TrySend(wstest.Frame(0x81, "a message"))
		}
	}},
	{"a user has too many connections", "webim_user_limit_refused_total", func(s *settings) { s.room.MaxConnsPerUser = 1 }, func(n *node) {
		for range 2 {
			_, _ = wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false).Try(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: n.token("ann", time.Hour)}})
		}
	}},
	{"tokens are refused", "webim_tokens_refused_total{invalid} webim_tokens_refused_total{expired}", nil, func(n *node) {
		for _, text := range []string{"nonsense", n.token("ann", -time.Hour)} {
			_, _ = wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false).Try(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: text}})
		}
	}},
	{"there is no token", "webim_tokens_refused_total{missing}", func(s *settings) { s.room.Anonymous = false }, func(n *node) {
		_, _ = wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false).Try(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{}})
	}},
	{"a hook accepts", "webim_hook_requests_total{publish,accepted} webim_hook_request_duration_seconds{publish}", func(s *settings) { s.hooks.URLs[backend.HookPublish] = "/accept" }, askHook},
	{"a hook denies", "webim_hook_requests_total{publish,denied}", func(s *settings) { s.hooks.URLs[backend.HookPublish] = "/deny" }, askHook},
	{"a hook fails", "webim_hook_requests_total{publish,failed}", func(s *settings) { s.hooks.URLs[backend.HookPublish] = "/fail" }, askHook},
	{"notices are dropped", "webim_hook_notices_dropped_total", func(s *settings) {
		s.hooks.URLs[backend.HookDisconnect], s.hooks.MaxNotices, s.hooks.Timeout = "/hang", 1, time.Hour
	}, func(n *node) {
		for range 4 {
			wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false).Connect(&protocol.ConnectRequest{})
		}
		for c := range n.server.Conns() {
			_ = c.Close(1000, "the test wants it")
		}
	}},
	{"it is ready", "webim_ready", nil, func(n *node) { n.ready.Store(true) }},
}

// fixed are the families that nothing moves.
var fixed = []string{"webim_build_info", "webim_workers", "webim_connections_limit", "webim_tls_certificate_expiry_timestamp_seconds", "webim_engine_up"}

func sendMany(n *node) {
	c := wstest.ConnectPath(n.t, n.addr, "/lobby")
	for range 64 { // more than any sample
		c.Send(0x81, "a message")
		c.Expect(0x81, "a message")
	}
}

// makeLag makes a client that does not read lag until the test ends. The kernel may take what it has refused a moment later: then the
// client gets more, one message at a time, so that it is not evicted.
func makeLag(n *node) {
	stuck := wstest.ConnectPath(n.t, n.addr, "/lobby")
	ctx, stop := context.WithCancel(context.Background())
	var feeding sync.WaitGroup
	feeding.Go(func() {
		for sent := n.hub.Stats().Delivered; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if n.server.Stats().Lagging == 0 && n.hub.Stats().Delivered >= sent {
				sent = n.hub.Stats().Delivered + 1
				n.hub.Publish("lobby", engine.Message{Op: ws.OpBinary, Data: make([]byte, 200<<10)}, nil)
			}
		}
	})
	n.t.Cleanup(func() { stop(); feeding.Wait(); stuck.Conn.Close() })
}

// askHook publishes in the room about which the backend is asked.
func askHook(n *node) {
	c := wstest.OpenProtocol(n.t, n.addr, centrifuge.Path, false)
	c.Connect(&protocol.ConnectRequest{})
	c.Subscribe(&protocol.SubscribeRequest{Channel: "asked"})
	if _, err := c.Try(&protocol.Command{Id: 9, Publish: &protocol.PublishRequest{Channel: "asked", Data: protocol.Raw(`{"text":"x"}`)}}); err != nil {
		n.t.Error(err)
	}
}

// TestEveryMetricMoves checks that each family has a cause, and that each cause moves its series.
func TestEveryMetricMoves(t *testing.T) {
	ran := 0
	seen := map[string]bool{}
	for _, name := range fixed {
		seen[name] = true
	}
	for _, c := range causes {
		t.Run(c.name, func(t *testing.T) {
			ran++
			n := start(t, c.change)
			before := n.series()
			c.do(n)
			for _, name := range strings.Fields(c.moves) {
				family, _, _ := strings.Cut(name, "{")
				seen[family] = true
				if _, there := before[name]; !there {
					t.Errorf("%s is not there before it moves", name)
				}
				wstest.Eventually(t, name+" has moved", func() bool { return n.series()[name] > before[name] })
			}
		})
	}
	for _, f := range Families() {
		if ran == len(causes) && !seen[f.Name] { // otherwise -run has left some out
			t.Errorf("nothing moves %s", f.Name)
		}
	}
}

// TestNames checks the names, the help and the labels by the linter of Prometheus, and that the
// registry shows all families, and no other one of this name.
func TestNames(t *testing.T) {
	n := start(t, func(s *settings) { s.hooks.URLs[backend.HookPublish] = "/accept" })
	problems, err := testutil.GatherAndLint(n.registry)
	n.must(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	all, err := n.registry.Gather()
	n.must(err)
	shown := map[string]bool{}
	for _, f := range all {
		shown[f.GetName()] = true
		if want := strings.HasPrefix(f.GetName(), "webim_"); want != slices.ContainsFunc(Families(), func(known *Family) bool { return known.Name == f.GetName() }) {
			t.Errorf("%s is not among the families", f.GetName())
		}
		if len(f.GetMetric()) > 64 {
			t.Errorf("%s has %d series", f.GetName(), len(f.GetMetric()))
		}
	}
	for _, name := range []string{"go_goroutines", "go_memstats_heap_inuse_bytes", "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds"} {
		if !shown[name] {
			t.Errorf("there is no %s", name)
		}
	}
	for _, f := range Families() {
		if !shown[f.Name] {
			t.Errorf("%s is not shown", f.Name)
		}
	}
}

// TestHistogram checks both forms of a histogram against the durations that it was made of.
func TestHistogram(t *testing.T) {
	var h durations.Histogram
	all := []time.Duration{0, 90 * time.Microsecond, 3 * time.Millisecond, 3 * time.Millisecond, 40 * time.Millisecond, 20 * time.Second}
	var sum float64
	for _, d := range all {
		h.Observe(d)
		sum += d.Seconds()
	}
	out := make(chan prometheus.Metric, 1)
	scrape(out).times(delivery, h.Counts(), time.Now())
	var m dto.Metric
	if err := (<-out).Write(&m); err != nil {
		t.Fatal(err)
	}
	got := m.GetHistogram()
	if got.GetSampleCount() != uint64(len(all)) || got.GetSampleSum() < 0.8*sum || got.GetSampleSum() > 1.2*sum {
		t.Errorf("%d durations of %v s together, want %d of %v s", got.GetSampleCount(), got.GetSampleSum(), len(all), sum)
	}
	classic := map[float64]uint64{}
	for _, b := range got.GetBucket() {
		classic[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	if want := map[float64]uint64{0.0001: 2, 0.0025: 2, 0.005: 4, 0.025: 4, 0.05: 5, 10: 5}; !containsAll(classic, want) {
		t.Errorf("the classic buckets are %v, want %v", classic, want)
	}
	var native, n int64
	for _, d := range got.GetPositiveDelta() {
		n += d
		native += n
	}
	if got.GetZeroCount() != 1 || native != 5 || got.GetSchema() != schema {
		t.Errorf("the native histogram has %d durations and %d zeros", native, got.GetZeroCount())
	}
}

func containsAll(all, want map[float64]uint64) bool {
	for k, v := range want {
		if all[k] != v {
			return false
		}
	}
	return true
}

// TestFormats checks that a scrape gets the text format, or the one that has native histograms.
func TestFormats(t *testing.T) {
	n := start(t, nil)
	sendMany(n)
	h := Handler(Config{Server: n.server, Hub: n.hub, Ready: n.ready.Load})
	get := func(accept string) *bytes.Buffer {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
		return w.Body
	}
	var text string
	wstest.Eventually(t, "all deliveries are counted", func() bool {
		text = get("text/plain").String()
		return strings.Contains(text, `webim_delivery_latency_seconds_bucket{le="+Inf"} 64`)
	})
	for _, line := range []string{"# TYPE webim_delivery_latency_seconds histogram\n", `webim_delivery_latency_seconds_bucket{le="+Inf"} 64` + "\n", "webim_messages_published_total 64\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no line %q in\n%s", line, text)
		}
	}
	binary := get("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
	spans := map[string]int{}
	for {
		f := new(dto.MetricFamily)
		if err := protodelim.UnmarshalFrom(binary, f); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, m := range f.GetMetric() {
			spans[f.GetName()] += len(m.GetHistogram().GetPositiveSpan())
		}
	}
	if spans["webim_delivery_latency_seconds"] == 0 || spans["webim_engine_publish_seconds"] == 0 {
		t.Errorf("no native histograms: %v", slices.Sorted(maps.Keys(spans)))
	}
}

// TestCausesHaveLabels checks that each cause and reason of netpoll has its own series.
func TestCausesHaveLabels(t *testing.T) {
	all := start(t, nil).series()
	for _, cause := range netpoll.Causes() {
		if _, there := all["webim_connections_closed_total{"+label(cause.String())+"}"]; !there {
			t.Errorf("no series for %v", cause)
		}
	}
	for _, why := range netpoll.RefusalReasons() {
		if name := label(why); strings.ContainsAny(name, " ,{}") || name == "" {
			t.Errorf("%q becomes %q", why, name)
		}
	}
}
