package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"webim/bench/option"
	"webim/bench/stat"
)

// Fleet is a set of clients of one server, spread over a few receivers. Its methods are for one goroutine.
type Fleet struct {
	// These fields never change after NewFleet.
	cfg            Config
	target         Target
	handshake      *handshake
	Clients        []*Client
	secure         *tls.Config     // for wss
	handshaking    context.Context // ends TLS handshakes when it is cancelled
	stopHandshakes func()          // cancels handshaking
	handshakes     sync.WaitGroup  // the goroutines of TLS handshakes
	FirstSource    int             // number of the first loopback address to dial from
	Receivers      []*Receiver

	// The receivers write these counters.
	openCount atomic.Int64 // clients that are open
	lost      atomic.Int64 // open clients that ended without Drop or Reset
	failed    atomic.Int64 // handshakes that failed
	waiting   atomic.Int64 // handshakes that were requested and have not ended
	lastOpen  atomic.Int64 // time of the last successful handshake
	settled   chan struct{}

	mu       sync.Mutex        // guards the maps
	requests map[string][]byte // upgrade requests by path
	failures map[string]int    // number of failures by their text
}

// NewFleet creates n clients, all absent, and the receivers that own them. Close the fleet.
func NewFleet(cfg Config, n, receivers int) (*Fleet, error) {
	t, err := ParseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, option.Bad("--clients %d: give at least 1", n)
	}
	if err := cfg.CheckDialect(t); err != nil {
		return nil, err
	}
	f := &Fleet{cfg: cfg, target: t, handshake: NewHandshake(t.URL.Host, cfg), settled: make(chan struct{}, 1),
		requests: map[string][]byte{}, failures: map[string]int{}}
	// A test server usually has a self-signed certificate, and the lab sends nothing secret.
	f.secure = &tls.Config{InsecureSkipVerify: true, ServerName: t.URL.Hostname()}
	f.handshaking, f.stopHandshakes = context.WithCancel(context.Background())
	f.Clients = make([]*Client, n)
	workers := make([]*Receiver, 0, receivers)
	for i := range n {
		c := &Client{Index: i, Room: cfg.Room(t), Sink: ignoreSink{}}
		for j := range c.Mask {
			c.Mask[j] = byte(rand.Uint32())
		}
		f.Clients[i] = c
	}
	for range max(receivers, 1) {
		w, err := newReceiver(f)
		if err != nil {
			f.Receivers = workers
			f.Close()
			return nil, fmt.Errorf("starting a receiving thread: %w", err)
		}
		workers = append(workers, w)
	}
	f.Receivers = workers
	if cfg.Members > 0 {
		f.AssignRooms("", cfg.Members)
	}
	for i, c := range f.Clients {
		c.receiver = workers[i%len(workers)]
	}
	return f, nil
}

// AssignRooms puts the clients, all absent, in rooms of so many members each: client i is in room i/members. Two fleets
// use the same rooms if owner and members are equal.
func (f *Fleet) AssignRooms(owner string, members int) {
	for i, c := range f.Clients {
		c.Room = fmt.Sprintf("/rooms-of-%d-%s%d", members, owner, i/members)
	}
}

// Dial connects the absent clients among [from, to) and returns when each of their handshakes has ended. It returns how
// many have failed. If no handshake ends for Config.Timeout, it gives up the rest.
func (f *Fleet) Dial(ctx context.Context, from, to int) (failed int, err error) {
	before := f.failed.Load()
	jobs := make([][]*Client, len(f.Receivers))
	n := 0
	for _, c := range f.Clients[from:to] {
		if c.state.Load() == absent {
			k := c.Index % len(f.Receivers)
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
	for i, w := range f.Receivers {
		w.post(func() { w.todo = append(w.todo, jobs[i]...) })
	}
	err = f.awaitDial(ctx, n)
	return int(f.failed.Load() - before), err
}

// awaitDial waits until all n handshakes have ended.
func (f *Fleet) awaitDial(ctx context.Context, n int) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	left, since := int64(n), time.Now()
	for {
		select {
		case <-f.settled:
			f.cfg.ShowProgress("connecting", n, n)
			return ctx.Err()
		case <-ctx.Done():
			f.abandon(ctx.Err())
			return ctx.Err()
		case <-tick.C:
			now := f.waiting.Load()
			if now != left {
				left, since = now, time.Now()
			} else if time.Since(since) > f.cfg.ReplyTimeout() {
				f.abandon(ErrTimeout)
			}
			f.cfg.ShowProgress("connecting", n-int(now), n)
		}
	}
}

// abandon ends all handshakes with an error.
func (f *Fleet) abandon(why error) {
	for _, w := range f.Receivers {
		w.Do(func() {
			for _, c := range w.todo {
				c.Err = why
				w.inFlight++ // handshakeEnded subtracts it again
				w.handshakeEnded(why)
			}
			w.todo = nil
			for _, c := range f.Clients {
				if s := c.state.Load(); c.receiver == w && (s == dialing || s == upgrading) {
					w.drop(c, why)
				}
			}
		})
	}
}

// Reset cuts all open clients at once, by RST.
func (f *Fleet) Reset() {
	var all sync.WaitGroup
	for _, w := range f.Receivers {
		all.Go(func() {
			w.Do(func() {
				for _, c := range f.Clients {
					if c.receiver == w && c.state.Load() == open {
						w.drop(c, ErrReset)
					}
				}
			})
		})
	}
	all.Wait()
}

// Close cuts all clients and ends the receivers.
func (f *Fleet) Close() {
	f.Reset()
	f.abandon(ErrReset)
	f.stopHandshakes()
	f.handshakes.Wait() // they post their results before the receivers end
	for _, w := range f.Receivers {
		w.stop()
	}
}

// Open returns the number of open clients.
func (f *Fleet) Open() int { return int(f.openCount.Load()) }

// Gone returns how many open clients the server or the network has closed.
func (f *Fleet) Gone() int { return int(f.lost.Load()) }

// request returns the upgrade request for a room.
func (f *Fleet) request(room string) []byte {
	path := f.cfg.Endpoint(f.target, f.cfg.withToken(room))
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.requests[path]
	if b == nil {
		b = f.handshake.Request(path)
		if len(f.requests) < 64 { // with one room per client, requests are not kept
			f.requests[path] = b
		}
	}
	return b
}

// Each runs do for every client, on the client's receiver, one receiver after the other.
func (f *Fleet) Each(do func(c *Client)) {
	for _, w := range f.Receivers {
		w.Do(func() {
			for _, c := range f.Clients {
				if c.receiver == w {
					do(c)
				}
			}
		})
	}
}

func (f *Fleet) Size() int { return len(f.Clients) }

func (f *Fleet) Config() Config { return f.cfg }

// Agreed returns the terms of the first client's handshake; ok is false while that client is not open.
func (f *Fleet) Agreed() (t Terms, ok bool) {
	f.Receivers[0].Do(func() {
		t, ok = f.Clients[0].terms, f.Clients[0].state.Load() == open
	})
	return t, ok
}

// Pings returns how many pings all clients have received.
func (f *Fleet) Pings() (n int64) {
	for _, w := range f.Receivers {
		w.Do(func() { n += w.pings })
	}
	return n
}

// Busy returns the CPU time of each receiver's thread in nanoseconds.
func (f *Fleet) Busy() []int64 {
	b := make([]int64, len(f.Receivers))
	for i, w := range f.Receivers {
		b[i] = w.busy()
	}
	return b
}

// Arrive dials a transient client that is due at the given time, and does not wait for it.
func (f *Fleet) Arrive(c *Client, due int64) {
	f.waiting.Add(1)
	c.receiver.post(func() {
		c.due = due
		c.receiver.todo = append(c.receiver.todo, c)
	})
}

// ArrivalTimes returns the durations from the due time of each transient client to the end of its handshake.
func (f *Fleet) ArrivalTimes() *stat.Hist {
	h := &stat.Hist{}
	for _, w := range f.Receivers {
		w.Do(func() { h.Merge(&w.handshakes) })
	}
	return h
}

// Ignore makes all clients ignore messages. When it has returned, the receivers do not touch the sinks of a scenario any
// more.
func (f *Fleet) Ignore() {
	rest := ignoreSink{}
	f.Each(func(c *Client) { c.Sink = rest })
}

// LastOpened returns the time of the last successful handshake, by stat.Now.
func (f *Fleet) LastOpened() int64 { return f.lastOpen.Load() }

// HandshakesFailed returns how many handshakes have failed so far.
func (f *Fleet) HandshakesFailed() int { return int(f.failed.Load()) }

// ShowProgress replaces Config.Progress.
func (f *Fleet) ShowProgress(show func(what string, done, total int)) { f.cfg.Progress = show }
