package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// node is a webim process.
type node struct {
	*process
	number int
	clock  string // the file with the offset of its clock

	mu       sync.Mutex
	addr     string // where clients connect; "": it does not listen
	internal string // where the server API is
}

// webimConfig is the configuration of a node. The rooms of the two patterns are in two logs. Clients are pinged often, so
// that they notice a paused node.
const webimConfig = `listen: ["127.0.0.1:0"]
internal: "127.0.0.1:0"
api_key_file: [%q]
token_secret_file: [%q]
log_format: json
ping_interval: 3s
pong_timeout: 2400ms
engine: nats
nats: [%s]
nats_replicas: 3
history_total: 64MiB
rooms:
  - {match: lobby, allow: {join: user}}
  - {match: "ever-*", history: 1000000, history_bytes: 64MiB, history_age: none, recover: true, allow: {join: user, read: user, history: user, send: user}}
  - {match: "week-*", history: 1000000, history_bytes: 64MiB, history_age: 168h, recover: true, allow: {join: user, read: user, history: user, send: user}}
`

// clockVariable names the file with the offset of the clock. Only webim with the build tag chaos reads it.
const clockVariable = "CHAOS_CLOCK"

// startNode starts a node.
func (l *lab) startNode(ctx context.Context, i int) error {
	dir := filepath.Join(l.dir, fmt.Sprint("webim-", i))
	n := &node{number: i, clock: filepath.Join(dir, "clock")}
	l.nodes[i] = n
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var urls []string
	for to := range servers {
		urls = append(urls, fmt.Sprintf("%q", "nats://"+l.links[i][to].Addr()))
	}
	key, secret, file := filepath.Join(dir, "key"), filepath.Join(dir, "secret"), filepath.Join(dir, "webim.yaml")
	for name, text := range map[string]string{key: l.key, secret: l.secret, n.clock: "0s", file: fmt.Sprintf(webimConfig, key, secret, strings.Join(urls, ", "))} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	p, err := l.newProcess(fmt.Sprint("webim-", i), l.opts.Webim, "serve", "--config", file)
	if err != nil {
		return err
	}
	p.env = []string{clockVariable + "=" + n.clock}
	p.onLine, p.onEnd = n.line, n.ended
	n.process = p
	p.start(ctx)
	return nil
}

// line reads a log line: webim says where it listens.
func (n *node) line(text []byte) {
	var line struct {
		Msg, Addr string
		Internal  bool
	}
	if json.Unmarshal(text, &line) != nil || line.Msg != "listening" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if line.Internal {
		n.internal = line.Addr
	} else {
		n.addr = line.Addr
	}
}

func (n *node) ended() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addr, n.internal = "", ""
}

// where returns the addresses of the node; "" while it does not listen.
func (n *node) where() (addr, internal string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.internal == "" {
		return "", ""
	}
	return n.addr, n.internal
}
