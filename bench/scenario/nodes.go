package scenario

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"webim/bench/nats"
)

// nodes are what servers of webim need to share their rooms: a NATS server, and a folder for its store, the sockets of the
// servers' API, and the key of that API.
type nodes struct {
	webim  string // the program
	nats   *nats.Process
	folder string
	key    string
}

// startNodes starts the NATS server. Close the nodes after their servers.
func startNodes(ctx context.Context, webim string, command []string) (*nodes, error) {
	folder, err := os.MkdirTemp("", "webim-bench")
	if err != nil {
		return nil, err
	}
	n := &nodes{webim: webim, folder: folder, key: rand.Text()}
	if err = os.WriteFile(n.path("key"), []byte(n.key), 0o600); err == nil && len(command) == 0 {
		command, err = nats.Command(nats.Options{Listen: "127.0.0.1:0", Data: n.path("nats")})
	}
	if err == nil {
		n.nats, err = nats.Start(ctx, command)
	}
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	return n, nil
}

func (n *nodes) close() {
	n.nats.Stop()
	_ = os.RemoveAll(n.folder)
}

func (n *nodes) path(name string) string { return filepath.Join(n.folder, name) }

func (n *nodes) socket(k int) string { return n.path(fmt.Sprint(k, ".sock")) }

// command returns the command of node k.
func (n *nodes) command(k int) []string {
	return []string{n.webim, "serve", "--dev", "--listen", "127.0.0.1:0", "--log-level", "warn", "--engine", "nats", "--nats", n.nats.URL,
		"--internal", "unix:" + n.socket(k), "--api-key-file", n.path("key")}
}

// members asks node k how many members a room has on all nodes together.
func (n *nodes) members(ctx context.Context, k int, room string) (int, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", n.socket(k))
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	body, err := json.Marshal(map[string]string{"channel": room})
	if err != nil {
		return 0, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/api/presence_stats", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("X-API-Key", n.key)
	a, err := (&http.Client{Transport: transport}).Do(q)
	if err != nil {
		return 0, fmt.Errorf("the presence count of node %d: %w", k, err)
	}
	defer a.Body.Close()
	var reply struct {
		Error  *struct{ Message string }
		Result struct {
			Clients int `json:"num_clients"`
		}
	}
	if err := json.NewDecoder(a.Body).Decode(&reply); err != nil {
		return 0, fmt.Errorf("the presence count of node %d: %w", k, err)
	}
	if reply.Error != nil {
		return 0, fmt.Errorf("the presence count of node %d: %s", k, reply.Error.Message)
	}
	return reply.Result.Clients, nil
}
