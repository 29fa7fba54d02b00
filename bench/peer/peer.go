package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/smoke"
)

// Peer is a chat server of another project. Its program is in bench/peers, which is a module of its own.
type Peer struct {
	Name    string
	What    string // library and version, for reports
	Dialect string // Plain or Centrifuge, for Config.Dialect

	needs  []string                         // programs that must be installed
	absent func(ctx context.Context) string // returns why the peer cannot run here although the programs are installed, or ""; may be nil
	build  []string                         // runs in bench/peers; nil if there is nothing to build
	serve  []string                         // runs in the repository; the address follows
	listen func(port string) []string       // returns the flags for the address, if the server cannot choose and print a free port; else nil
}

// All returns the peers in the order of reports.
func All() []Peer {
	return []Peer{
		goPeer("gorilla", "gorilla/websocket v1.5.3, hub of its chat example"),
		goPeer("coder", "coder/websocket v1.8.15, its chat example"),
		goPeer("gws", "lxzan/gws v1.8.9, Broadcaster"),
		goPeer("nbio", "lesismal/nbio v1.6.12, non-blocking"),
		goPeer("greatws", "antlabs/greatws v0.2.2, event loop"),
		goPeer("gnet", "panjf2000/gnet/v2 v2.10.0 with gobwas/ws v1.5.0"),
		goPeer("epoll", "gobwas/ws v1.5.0 + mailru/easygo, after the article"),
		{Name: "node", What: "Node's ws 8.23.0", Dialect: client.Plain, needs: []string{"node", "npm"},
			build: []string{"npm", "--prefix", "node", "ci", "--no-audit", "--no-fund", "--loglevel", "error"},
			serve: []string{"node", "bench/peers/node/server.js", "-listen"}},
		{Name: "uws", What: "uWebSockets.js, as installed", Dialect: client.Plain, needs: []string{"node"}, absent: noUWS,
			serve: []string{"node", "bench/peers/uws/server.js", "-listen"}},
		{Name: "swoole", What: "PHP's Swoole", Dialect: client.Plain, needs: []string{"php"}, absent: noSwoole,
			serve: []string{"php", "bench/peers/swoole/server.php", "-listen"}},
		{Name: "centrifugo", What: "Centrifugo v5.4.9", Dialect: client.Centrifuge, needs: []string{"go"},
			build: []string{"go", "build", "-C", "centrifugo", "-trimpath", "-ldflags", "-X github.com/centrifugal/centrifugo/v5/internal/build.Version=5.4.9",
				"-o", "../../../bin/peers/centrifugo", "github.com/centrifugal/centrifugo/v5"},
			serve:  []string{"bin/peers/centrifugo", "--config", "bench/peers/centrifugo/config.json"},
			listen: func(port string) []string { return []string{"--address", "127.0.0.1", "--port", port} }},
	}
}

// goPeer returns a program of the module bench/peers.
func goPeer(name, what string) Peer {
	return Peer{Name: name, What: what, Dialect: client.Plain, needs: []string{"go"},
		build: []string{"go", "build", "-o", "../../bin/peers/" + name, "./" + name},
		serve: []string{"bin/peers/" + name, "-listen"}}
}

// noSwoole returns why PHP lacks Swoole, or "".
func noSwoole(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "php", "-m").Output()
	if err != nil {
		return fmt.Sprintf("php -m: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.EqualFold(strings.TrimSpace(line), "swoole") {
			return ""
		}
	}
	return "php -m does not list swoole: install it, as with pecl install swoole"
}

// noUWS returns why Node cannot load uWebSockets.js, or "". Its authors do not publish it in npm's registry, so the lab
// does not install it.
func noUWS(ctx context.Context) string {
	root, err := RepositoryRoot(".")
	if err != nil {
		return err.Error()
	}
	cmd := exec.CommandContext(ctx, "node", "uws/server.js", "-check")
	cmd.Dir = filepath.Join(root, "bench", "peers")
	if out, err := cmd.CombinedOutput(); err != nil {
		return lastLines(out)
	}
	return ""
}

// Find returns the peers with these names, or all peers if there are no names.
func Find(names []string) ([]Peer, error) {
	if len(names) == 0 {
		return All(), nil
	}
	var found []Peer
	for _, name := range names {
		p, err := find(name)
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

func find(name string) (Peer, error) {
	var known []string
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return Peer{}, option.Bad("there is no peer %q: choose from %s", name, strings.Join(known, ", "))
}

// Absent returns why the peer cannot run on this machine, or "".
func (p Peer) Absent(ctx context.Context) string {
	for _, program := range p.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	if p.absent != nil {
		return p.absent(ctx)
	}
	return ""
}

// Build builds the program of the peer in bin/peers of the repository at root. It may download libraries.
func (p Peer) Build(ctx context.Context, root string) error {
	if p.build == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, p.build[0], p.build[1:]...)
	cmd.Dir = filepath.Join(root, "bench", "peers")
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("building %s: %s (in bench/peers): %w; it said: %s", p.Name, strings.Join(p.build, " "), err, lastLines(out))
	}
	return nil
}

// lastLines returns the last 2 KB of a program's output, for an error.
func lastLines(b []byte) string { return strings.TrimSpace(string(b[max(0, len(b)-2<<10):])) }

// Start starts a peer, which must be built, on a free port, and returns its URL when it listens.
func (p Peer) Start(ctx context.Context, root string) (*proc.Server, string, error) {
	argv, err := p.command(root)
	if err != nil {
		return nil, "", err
	}
	if p.listen != nil {
		return p.startAt(ctx, argv)
	}
	return proc.StartAnnounced(ctx, "peer "+p.Name, append(argv, "127.0.0.1:0"))
}

// startAt starts a peer on a port that was free a moment before.
func (p Peer) startAt(ctx context.Context, argv []string) (*proc.Server, string, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("peer %s: %w", p.Name, err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr) // the address of a listener has a port
	s, err := proc.StartAnswering(ctx, "peer "+p.Name, append(argv, p.listen(port)...), addr)
	return s, "ws://" + addr + "/", err
}

// command returns the command of the peer with absolute paths.
func (p Peer) command(root string) ([]string, error) {
	var argv []string
	for _, arg := range p.serve {
		if strings.Contains(arg, "/") {
			arg = filepath.Join(root, arg)
			if _, err := os.Stat(arg); err != nil {
				return nil, fmt.Errorf("peer %s: %w; make peers builds it", p.Name, err)
			}
		}
		argv = append(argv, arg)
	}
	return argv, nil
}

// Smoke starts a peer and proves that it has chat rooms, on any path and for any origin.
func (p Peer) Smoke(ctx context.Context, root string) error {
	s, url, err := p.Start(ctx, root)
	if err != nil {
		return err
	}
	defer s.Stop()
	if p.Dialect == client.Plain {
		url += "any/path"
	}
	smoke := smoke.Test{URL: url, Dialect: p.Dialect, Header: map[string][]string{"Origin": {"http://elsewhere.example"}}}
	if err := smoke.Run(ctx); err != nil {
		if out := s.Output(); out != "" && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("peer %s: %w; the server said: %s", p.Name, err, out)
		}
		return fmt.Errorf("peer %s: %w", p.Name, err)
	}
	return nil
}

// RepositoryRoot returns the first folder at or above dir that has the sources of the peers.
func RepositoryRoot(dir string) (string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "bench", "peers", "go.mod")); err == nil {
			return at, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", fmt.Errorf("neither %s nor a folder above it has bench/peers: run it inside of webim's repository", dir)
		}
		at = up
	}
}
