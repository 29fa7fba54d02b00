package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says whom to measure and how. The zero value of every field but URL works.
type Config struct {
	URL       string        // ws:// or wss://; the path is the room
	PID       int           // the server's process, root of a tree; 0: no CPU and memory figures
	Header    http.Header   // more headers for the upgrade
	Origin    string        // the Origin header, which browsers send and servers may insist on
	Protocols []string      // subprotocols to offer; which one the server takes is in Report.Conditions
	Label     string        // what to call the server in reports
	Version   string        // of the program that measures; empty or dev: the commit that it was built from, if that is known
	Command   string        // that measures: a condition of the figures like others
	Dialect   string        // Plain or Centrifuge; empty: Plain
	Channel   string        // the room in the Centrifuge dialect; empty: lobby
	Members   int           // clients of a room, of rooms that the lab names; 0: all clients share the room of URL or Channel
	Token     string        // of all clients: in the connect command, or as ?token= in the plain dialect
	Compress  bool          // offer permessage-deflate; if the server takes it, messages are deflated and inflated
	Receivers int           // threads that read; 0: one, two in storms
	Processes int           // that hold the clients; 0: this one, or as many as their open files ask for
	Worker    []string      // command of such a process; empty: the program itself with "worker"
	Sources   int           // loopback addresses to dial from; 0: 16; below zero: leave it to the kernel
	InFlight  int           // handshakes under way at most; 0: 400, below the accept queue of 511 that many servers have
	Timeout   time.Duration // for a handshake, and for a message that does not come; 0: 10 s
	Settle    time.Duration // before memory is read; 0: 3 s
	Floor     []string      // command of the floor server; empty: the program itself with "floor --listen 127.0.0.1:0"

	// Progress, if set, is told what is going on and how far it is, about ten times a second, from one goroutine at a time.
	Progress func(what string, done, total int)
}

func (c Config) inFlight() int { return orDefault(c.InFlight, 400) }
func (c Config) sources() int  { return orDefault(c.Sources, 16) }
func (c Config) timeout() time.Duration {
	return orDefault(c.Timeout, 10*time.Second)
}
func (c Config) settle() time.Duration { return orDefault(c.Settle, 3*time.Second) }

func (c Config) progress(what string, done, total int) {
	if c.Progress != nil {
		c.Progress(what, done, total)
	}
}

// keepShowing shows how far something is, now and then, until stop has returned.
func keepShowing(show func()) (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
				show()
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Fleet is a set of clients of one server. Its methods are for one goroutine.
type Fleet struct {
	// Immutable.
	cfg      Config
	target   target
	shake    *handshake
	clients  []*client
	secure   *tls.Config     // for wss
	greeting context.Context // of TLS handshakes
	hush     func()          // ends them
	greeters sync.WaitGroup  // their goroutines
	first    int             // number of the first loopback address
	sampler  *sampler        // of the report; nil: nobody looks
	workers  []*worker

	// Counters of the workers.
	openCount atomic.Int64 // clients that are open
	lost      atomic.Int64 // that were open and ended without our doing
	failed    atomic.Int64 // handshakes
	waiting   atomic.Int64 // handshakes that were asked for and have not ended
	lastOpen  atomic.Int64 // time of the last good handshake
	settled   chan struct{}

	mu       sync.Mutex        // guards the maps
	requests map[string][]byte // the handshake by path
	failures map[string]int    // handshakes by what went wrong
}

// NewFleet prepares n clients, all absent, on receivers workers. Close it.
func NewFleet(cfg Config, n, receivers int) (*Fleet, error) {
	t, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, badOption("%d clients: there must be one at least", n)
	}
	if err := cfg.checkDialect(t); err != nil {
		return nil, err
	}
	f := &Fleet{cfg: cfg, target: t, shake: newHandshake(t.url.Host, cfg), settled: make(chan struct{}, 1),
		requests: map[string][]byte{}, failures: map[string]int{}}
	// The server's certificate is usually one of its own making, and nothing secret is said.
	f.secure = &tls.Config{InsecureSkipVerify: true, ServerName: t.url.Hostname()}
	f.greeting, f.hush = context.WithCancel(context.Background())
	f.clients = make([]*client, n)
	workers := make([]*worker, 0, receivers)
	for i := range n {
		c := &client{index: i, path: cfg.room(t), sink: &ignore{}}
		for j := range c.mask {
			c.mask[j] = byte(rand.Uint32())
		}
		f.clients[i] = c
	}
	for range max(receivers, 1) {
		w, err := newWorker(f)
		if err != nil {
			f.workers = workers
			f.Close()
			return nil, fmt.Errorf("a worker: %w", err)
		}
		workers = append(workers, w)
	}
	f.workers = workers
	if cfg.Members > 0 {
		f.assignRooms("", cfg.Members)
	}
	for i, c := range f.clients {
		c.w = workers[i%len(workers)]
	}
	return f, nil
}

// assignRooms spreads the clients, all absent, over rooms of so many members each: client i is in room i/members. Two fleets are in the same rooms if they
// give the same owner and the same number of members.
func (f *Fleet) assignRooms(owner string, members int) {
	for i, c := range f.clients {
		c.path = fmt.Sprintf("/rooms-of-%d-%s%d", members, owner, i/members)
	}
}

// Dial brings those of the clients [from, to) that are absent to the server, and returns when each handshake has ended, well or badly: how many failed is the
// first result. It gives up when nothing has happened for Config.Timeout.
func (f *Fleet) Dial(ctx context.Context, from, to int) (failed int, err error) {
	before := f.failed.Load()
	jobs := make([][]*client, len(f.workers))
	n := 0
	for _, c := range f.clients[from:to] {
		if c.state.Load() == absent {
			k := c.index % len(f.workers)
			jobs[k], n = append(jobs[k], c), n+1
		}
	}
	if n == 0 {
		return 0, nil
	}
	select {
	case <-f.settled:
	default:
	}
	f.waiting.Store(int64(n))
	for i, w := range f.workers {
		w.post(func() { w.todo = append(w.todo, jobs[i]...) })
	}
	err = f.awaitDial(ctx, n)
	return int(f.failed.Load() - before), err
}

// awaitDial waits until no handshake is waited for.
func (f *Fleet) awaitDial(ctx context.Context, n int) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	left, since := int64(n), time.Now()
	for {
		select {
		case <-f.settled:
			f.cfg.progress("connecting", n, n)
			return ctx.Err()
		case <-ctx.Done():
			f.abandon(ctx.Err())
			return ctx.Err()
		case <-tick.C:
			now := f.waiting.Load()
			if now != left {
				left, since = now, time.Now()
			} else if time.Since(since) > f.cfg.timeout() {
				f.abandon(errTimeout)
			}
			f.cfg.progress("connecting", n-int(now), n)
		}
	}
}

// abandon ends the handshakes that have not ended.
func (f *Fleet) abandon(why error) {
	for _, w := range f.workers {
		w.do(func() {
			for _, c := range w.todo {
				c.err = why
				w.inFlight++ // settle takes it back
				w.settle(why)
			}
			w.todo = nil
			for _, c := range f.clients {
				if s := c.state.Load(); c.w == w && (s == dialing || s == upgrading) {
					w.drop(c, why)
				}
			}
		})
	}
}

// Reset cuts every open client at once, by RST.
func (f *Fleet) Reset() {
	var all sync.WaitGroup
	for _, w := range f.workers {
		all.Go(func() {
			w.do(func() {
				for _, c := range f.clients {
					if c.w == w && c.state.Load() == open {
						w.drop(c, errReset)
					}
				}
			})
		})
	}
	all.Wait()
}

// Close cuts all clients and ends the workers.
func (f *Fleet) Close() {
	f.Reset()
	f.abandon(errReset)
	f.hush()
	f.greeters.Wait() // what they have to say is said before the workers end
	for _, w := range f.workers {
		w.stop()
	}
}

// Open returns how many clients are open.
func (f *Fleet) Open() int { return int(f.openCount.Load()) }

// Gone returns how many open clients the server has closed, or the network has.
func (f *Fleet) Gone() int { return int(f.lost.Load()) }

// Failures returns the handshakes that failed so far, by what went wrong, the messages that the server refused, and the open clients that it closed.
func (f *Fleet) Failures() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := make(map[string]int, len(f.failures))
	for k, v := range f.failures {
		m[k] = v
	}
	return m
}

func (f *Fleet) noteFailure(err error) {
	f.mu.Lock()
	f.failures[err.Error()]++
	f.mu.Unlock()
}

// refusedMessage begins what Failures says of messages, which are no handshakes.
const refusedMessage = "a message was refused: "

// goneMessage begins what Failures says of clients that the server closed.
const goneMessage = "an open client was closed: "

// handshakeFailures are those of Failures that are of handshakes.
func handshakeFailures(all map[string]int) map[string]int {
	m := map[string]int{}
	for what, n := range all {
		if !strings.HasPrefix(what, refusedMessage) && !strings.HasPrefix(what, goneMessage) {
			m[what] = n
		}
	}
	return m
}

func (f *Fleet) noteRefusal(why string) { f.noteFailure(errors.New(refusedMessage + why)) }

// request returns the handshake's bytes for a room.
func (f *Fleet) request(room string) []byte {
	path := f.cfg.endpoint(f.target, f.cfg.withToken(room))
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.requests[path]
	if b == nil {
		b = f.shake.request(path)
		if len(f.requests) < 64 { // rooms of one client each are made anew instead of kept
			f.requests[path] = b
		}
	}
	return b
}

// each runs do for every client that in selects, on its worker.
func (f *Fleet) each(do func(c *client)) {
	for _, w := range f.workers {
		w.do(func() {
			for _, c := range f.clients {
				if c.w == w {
					do(c)
				}
			}
		})
	}
}

func (f *Fleet) size() int         { return len(f.clients) }
func (f *Fleet) config() Config    { return f.cfg }
func (f *Fleet) cpu() int64        { return ownCPU() }
func (f *Fleet) sample(s *sampler) { f.sampler = s }

// agreed returns what the first client's handshake agreed on.
func (f *Fleet) agreed() (t terms, ok bool) {
	f.workers[0].do(func() {
		t, ok = f.clients[0].terms, f.clients[0].state.Load() == open
	})
	return t, ok
}

// pings returns how many the server has sent to all clients.
func (f *Fleet) pings() (n int64) {
	for _, w := range f.workers {
		w.do(func() { n += w.pings })
	}
	return n
}

// busy returns the CPU time of each worker's thread, in nanoseconds.
func (f *Fleet) busy() []int64 {
	b := make([]int64, len(f.workers))
	for i, w := range f.workers {
		b[i] = w.busy()
	}
	return b
}
