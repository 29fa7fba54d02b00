package jetstream

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// startCluster starts three NATS servers, which listen on loopback, and returns when they have a leader.
func startCluster(t *testing.T) (all []*server.Server) {
	t.Helper()
	// A server of a cluster must know the address of another one before it starts. So the ports are taken
	// and given back at once.
	var taken []net.Listener
	var ports []int
	var routes []*url.URL
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
	}
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 16 << 20, MaxPayload: 8 << 20,
			Cluster: server.ClusterOpts{Name: "webim", Host: "127.0.0.1", Port: port}, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
	}
	for i, s := range all {
		_ = taken[i].Close()
		go s.Start() // it is ready when it has found the others
	}
	for _, s := range all {
		if !s.ReadyForConnections(wstest.Patience) {
			t.Fatal("a NATS server does not start")
		}
	}
	wstest.Eventually(t, "the cluster has a leader", func() bool {
		for _, s := range all {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 {
				return true
			}
		}
		return false
	})
	return all
}

// openOn starts an engine on a cluster, with replicas on all servers. It connects to this server first.
func openOn(t *testing.T, servers []*server.Server, first int, cfg Config) *Engine {
	t.Helper()
	urls := servers[first].ClientURL()
	for _, s := range servers {
		urls += "," + s.ClientURL()
	}
	cfg.Replicas = len(servers)
	cfg.Connect = func(opts ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(urls, append(opts, nats.DontRandomize())...)
	}
	return openWith(t, cfg)
}

// stopLeader stops the server that leads a stream.
func stopLeader(t *testing.T, servers []*server.Server, stream string) {
	t.Helper()
	var leader *server.Server
	wstest.Eventually(t, "a server leads the stream "+stream, func() bool {
		for _, s := range servers {
			if s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				leader = s
			}
		}
		return leader != nil
	})
	leader.Shutdown()
	leader.WaitForShutdown()
}

// TestClusterLosesAServer kills the server that leads a room's log while two nodes publish. Whatever was
// acknowledged is in the log once, and every member gets every publication once, in order, on both nodes.
func TestClusterLosesAServer(t *testing.T) {
	servers := startCluster(t)
	a, b := openOn(t, servers, 0, Config{Keep: always}), openOn(t, servers, 1, Config{Keep: always})
	ra, rb := subscribe(t, a, "r"), subscribe(t, b, "r")
	acknowledged, unknown, last := map[string]bool{}, map[string]bool{}, uint64(0)
	say := func(from, to int) {
		for i := from; i < to; i++ {
			data := fmt.Sprint(i)
			wstest.Eventually(t, "the store takes "+data, func() bool {
				got := publish(t, []*Engine{a, b}[i%2], "r", text(data))
				switch {
				case got.err == nil:
					acknowledged[data], last = true, max(last, got.pos.Offset)
				case errors.Is(got.err, engine.ErrUnknown):
					unknown[data] = true
				case !errors.Is(got.err, engine.ErrUnavailable):
					t.Fatal(got.err)
				}
				return got.err == nil || errors.Is(got.err, engine.ErrUnknown)
			})
		}
	}
	say(0, 50)
	// To ask for a key must not harm a replicated stream.
	keyed := engine.Message{Op: ws.OpText, Data: []byte("keyed"), Key: "k"}
	for i, want := range []error{nil, nil, engine.ErrRepeated} {
		got := make(chan error, 1)
		if i == 1 {
			a.Publish("r", keyed, func(pos engine.Position, err error) { last = max(last, pos.Offset); got <- err })
		} else {
			b.Known("r", keyed, func(_ engine.Position, err error) { got <- err })
		}
		if err := <-got; err != want {
			t.Fatalf("step %d with a key: %v, want %v", i, err, want)
		}
	}
	acknowledged["keyed"] = true
	stopLeader(t, servers, "ROOMS_ever")
	say(50, 150)

	for name, r := range map[string]*recorder{"a": ra, "b": rb} {
		r.wait(t, "the last publication on node "+name, func() bool { return len(r.got) > 0 && r.got[len(r.got)-1].Offset >= last })
		checkChain(t, r.got)
		seen := map[string]int{}
		for _, p := range r.got {
			seen[string(p.Data)]++
		}
		for data := range acknowledged {
			if seen[data] != 1 {
				t.Errorf("node %s got %s %d times", name, data, seen[data])
			}
		}
		for data, n := range seen {
			if n != 1 || !acknowledged[data] && !unknown[data] {
				t.Errorf("node %s got %s %d times", name, data, n)
			}
		}
		if len(r.begins) != 1 {
			t.Errorf("node %s began %d times", name, len(r.begins))
		}
	}
}
