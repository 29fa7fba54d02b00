package trial

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"webim/bench/nats"
	"webim/bench/proc"
)

// Config are the settings of Run.
type Config struct {
	Webim        string   // the program
	Listen       []string // host:port of each node; port 0 means a free port
	Dir          string   // for the files; made if it does not exist
	Out          io.Writer
	RestartDelay time.Duration // after which a process that has ended by itself starts again
}

// Run runs a NATS server and the nodes until ctx ends, and then ends them: the nodes first, because they tell each
// other that they end. If one of them does not begin to serve, Run ends the others and returns an error.
func Run(ctx context.Context, cfg Config) error {
	unlock, err := prepare(cfg.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	show := &output{w: cfg.Out}
	server := cfg.nats(show)
	natsCtx, endNATS := context.WithCancel(context.WithoutCancel(ctx))
	var natsDone, nodesDone sync.WaitGroup
	defer natsDone.Wait()
	defer endNATS()
	if err := server.start(natsCtx, &natsDone); err != nil {
		return err
	}
	ctx, endNodes := context.WithCancel(ctx)
	defer nodesDone.Wait()
	defer endNodes()
	all := make([]*node, len(cfg.Listen))
	for i, listen := range cfg.Listen {
		all[i] = cfg.node(i+1, listen, server.addr, show)
		if err := all[i].start(ctx, &nodesDone); err != nil {
			return err
		}
	}
	if ctx.Err() == nil {
		show.say("%s", cfg.advice(all, server))
	}
	<-ctx.Done()
	return nil
}

// The files in the folder.
const (
	fileLock   = "lock"
	fileSecret = "token-secret" // of all nodes: a guest may come back to another one
	fileKey    = "api-key"
	dirStore   = "nats"
)

// prepare makes the folder and the files that do not change. The lock keeps a second NATS server away, which would
// damage the store.
func prepare(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, fileLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	unlock = func() { lock.Close() }
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unlock()
		return nil, fmt.Errorf("the folder %s cannot be locked: %w; perhaps another webim-bench cluster uses it", dir, err)
	}
	for _, name := range []string{fileSecret, fileKey} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			_, err = fmt.Fprintln(f, rand.Text()+rand.Text())
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			unlock()
			return nil, err
		}
	}
	return unlock, nil
}

// natsServer is the NATS server.
type natsServer struct {
	process
	addr string // which it has printed first; immutable once it serves
}

// nats returns the NATS server. When it starts again, it has the same address.
func (c *Config) nats(show *output) *natsServer {
	n := &natsServer{}
	n.process = process{name: "NATS", show: show, restartDelay: c.RestartDelay, hides: n.prints, serves: func(string) bool { return n.addr != "" },
		argv: func() ([]string, error) {
			return nats.Command(nats.Options{Listen: cmp.Or(n.addr, "127.0.0.1:0"), Data: filepath.Join(c.Dir, dirStore)})
		}}
	return n
}

// prints takes the address from the line that has it, and reports whether a line is this one.
func (n *natsServer) prints(line string) bool {
	addr, ok := strings.CutPrefix(line, "the NATS server listens on ")
	if ok && n.addr == "" {
		n.addr = addr
	}
	return ok
}

// node is a webim process.
type node struct {
	process
	url, live string // its pages, which it has printed first; immutable once it serves
}

// node returns a node, by its number. When it starts again, it has the same addresses.
func (c *Config) node(number int, listen, nats string, show *output) *node {
	n := &node{}
	n.process = process{name: fmt.Sprintf("node %d", number), show: show, restartDelay: c.RestartDelay,
		hides: n.prints, serves: func(string) bool { return n.url != "" && n.live != "" },
		argv: func() ([]string, error) {
			return []string{c.Webim, "serve", "--dev", "--listen", cmp.Or(proc.HostOf(n.url), listen), "--internal", cmp.Or(proc.HostOf(n.live), "127.0.0.1:0"), "--nats", "nats://" + nats,
				"--token-secret-file", filepath.Join(c.Dir, fileSecret), "--api-key-file", filepath.Join(c.Dir, fileKey)}, nil
		}}
	return n
}

// prints takes the addresses from the lines that webim prints for people, and reports whether a line is one of them.
// They are shown later, of all nodes together.
func (n *node) prints(line string) bool {
	rest, ok := strings.CutPrefix(line, "webim: ")
	if _, after, is := strings.Cut(rest, "live picture is at "); is && n.live == "" {
		n.live, _, _ = strings.Cut(after, ",")
	}
	if after, is := strings.CutPrefix(rest, "open "); is && n.url == "" {
		n.url, _, _ = strings.Cut(after, " ")
	}
	return ok
}

// advice says where the nodes are, and which things to try.
func (c *Config) advice(all []*node, server *natsServer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d webim nodes share one NATS server:\n\n", len(all))
	for _, n := range all {
		fmt.Fprintf(&b, "  %s  %s  live picture: %s  process: %d\n", n.name, n.url, n.live, n.id())
	}
	fmt.Fprintf(&b, "  %s    nats://%s  process: %d\n\n", server.name, server.addr, server.id())
	fmt.Fprintf(&b, "The key of the server API and of the live pictures is in %s.\n\nTry:\n\n", filepath.Join(c.Dir, fileKey))
	first, other := all[0], all[len(all)-1]
	fmt.Fprintf(&b, "  - Open %s and %s in two windows, with two names, and write.\n", first.url, other.url)
	fmt.Fprintf(&b, "  - kill -9 %d: its people leave the lists of the other nodes within seconds. It starts again in %v.\n", first.id(), c.RestartDelay)
	fmt.Fprintf(&b, "  - kill -9 %d: without NATS nobody is disconnected, and nothing can be sent. All catches up afterwards.\n", server.id())
	fmt.Fprintf(&b, "  - Ctrl-C ends all. The messages stay in %s.\n", c.Dir)
	return b.String()
}
