package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"webim/bench/proc"
	"webim/bench/relay"
)

// server is a NATS server of the cluster.
type server struct {
	*process
	number int
	dir    string // of its configuration and its store
}

// natsConfig is the configuration of a server. It listens on free ports, and others reach it through relays only: it tells
// nobody its own address. advertise is an address that nobody listens on.
const natsConfig = `server_name: n%d
listen: "127.0.0.1:-1"
ports_file_dir: %q
max_payload: 2MB
ping_interval: "2s"
ping_max: 2
jetstream { store_dir: %q, max_mem: 16MB, max_file: 1GB }
cluster {
  name: chaos
  listen: "127.0.0.1:-1"
  no_advertise: true
  advertise: "127.0.0.1:1"
  ping_interval: "2s"
  routes: [%s]
}
`

// startServer starts a server of the cluster.
func (l *lab) startServer(ctx context.Context, i int) error {
	s := &server{number: i, dir: filepath.Join(l.dir, fmt.Sprint("nats-", i))}
	l.servers[i] = s
	store := filepath.Join(s.dir, "store")
	if err := os.MkdirAll(store, 0o700); err != nil {
		return err
	}
	if err := l.mountStore(i, store); err != nil {
		return err
	}
	var routes []string
	for to := range servers {
		routes = append(routes, fmt.Sprintf("%q", "nats://"+l.routes[i][to].Addr()))
	}
	file := filepath.Join(s.dir, "nats.conf")
	text := fmt.Sprintf(natsConfig, i, s.dir, filepath.Join(store, "js"), strings.Join(routes, ", "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	p, err := l.newProcess(fmt.Sprint("nats-", i), l.opts.NATS, "-c", file)
	if err != nil {
		return err
	}
	p.onEnd = func() { l.setServer(i, "", "") }
	s.process = p
	p.start(ctx)
	l.background.Go(func() { l.watchPorts(ctx, s) })
	return nil
}

// watchPorts points the relays to the ports of a server, again after each start.
func (l *lab) watchPorts(ctx context.Context, s *server) {
	known := 0
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
		pid := s.PID()
		if pid == 0 || pid == known {
			continue
		}
		var ports struct{ NATS, Cluster []string }
		text, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("%s_%d.ports", filepath.Base(l.opts.NATS), pid)))
		if err != nil || json.Unmarshal(text, &ports) != nil || len(ports.NATS) == 0 || len(ports.Cluster) == 0 {
			continue // not written yet
		}
		known = pid
		l.setServer(s.number, proc.HostOf(ports.NATS[0]), proc.HostOf(ports.Cluster[0]))
	}
}

// setServer tells all relays where a server listens; "": nowhere.
func (l *lab) setServer(i int, client, cluster string) {
	for n := range nodes {
		l.links[n][i].SetTarget(client)
	}
	for from := range servers {
		l.routes[from][i].SetTarget(cluster)
	}
}

// toServers calls f with the relays between a node and all servers.
func (l *lab) toServers(node int, f func(*relay.Relay)) {
	for _, r := range l.links[node] {
		f(r)
	}
}

// between calls f for the relays between a server and the others, with the directions that lead to the server and away from
// it.
func (l *lab) between(i int, f func(r *relay.Relay, in, out relay.Direction)) {
	for other := range servers {
		if other != i {
			f(l.routes[i][other], relay.Down, relay.Up)
			f(l.routes[other][i], relay.Up, relay.Down)
		}
	}
}
