package cluster

import (
	"context"
	"sync"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
)

// Cluster is a set of clients in worker processes, for more clients than the files of one process. It is a load.Load, so
// floods, single messages and idle clients need not know where the clients are. Client i is in process i modulo the number
// of processes; all senders are in the first process. Its methods are for one goroutine.
type Cluster struct {
	cfg     client.Config
	clients int
	Workers []*Worker
	sampler *load.Sampler

	mu   sync.Mutex // guards lost
	lost error      // the first failure
}

// New starts worker processes and gives each its share of n clients, all absent. Close it. The clients of a process that
// ends are lost; then every method with an error returns that error.
func New(cfg client.Config, n, processes int) (*Cluster, error) {
	if processes < 1 || n < processes {
		return nil, option.Bad("%d clients in %d processes: give at least one client per process", n, processes)
	}
	t, err := client.ParseTarget(cfg.URL)
	if err == nil {
		err = cfg.CheckDialect(t)
	}
	if err != nil {
		return nil, err
	}
	c := Empty(cfg, n)
	share := cfg
	share.InFlight, share.Progress, share.Processes = max(1, cfg.MaxHandshakes()/processes), nil, 0
	for k := range processes {
		if err := c.Add(share, k, processes); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Empty returns a cluster of n clients without processes; start them with Add. Close it.
func Empty(cfg client.Config, n int) *Cluster { return &Cluster{cfg: cfg, clients: n} }

// Add starts process k of so many, with its share of the clients. They connect to cfg.URL.
func (c *Cluster) Add(cfg client.Config, k, processes int) error {
	e := setup{cfg, share(c.clients, k, processes), k * max(cfg.SourceAddresses(), 0), k}
	m, err := startWorker(cfg.Worker, e.Clients)
	if err != nil {
		return err
	}
	if _, err := m.do(request{Do: doSetup, Setup: &e}); err != nil {
		m.stop()
		return err
	}
	c.Workers = append(c.Workers, m)
	return nil
}

// DialAll connects all clients, in at most so many processes at a time.
func (c *Cluster) DialAll(ctx context.Context, most int) error {
	_, err := c.each(ctx, most, func(_ int, m *Worker) request { return request{Do: doDial, To: m.clients} })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// share returns how many of n clients are in process k.
func share(n, k, processes int) int { return (n - k + processes - 1) / processes }

// Close ends all processes and their clients.
func (c *Cluster) Close() {
	var all sync.WaitGroup
	for _, m := range c.Workers {
		all.Go(m.stop)
	}
	all.Wait()
}

// broadcast sends a request to each process at once and waits for all replies. If ctx ends or one process fails, it
// cancels the dialing of the others.
func (c *Cluster) broadcast(ctx context.Context, of func(k int, m *Worker) request) ([]reply, error) {
	return c.each(ctx, len(c.Workers), of)
}

// each is broadcast with at most so many processes at a time.
func (c *Cluster) each(ctx context.Context, most int, of func(k int, m *Worker) request) ([]reply, error) {
	slots := make(chan struct{}, max(most, 1))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		for _, m := range c.Workers {
			_, _ = m.call(request{Do: doCancel})
		}
	})()
	replies, errs := make([]reply, len(c.Workers)), make([]error, len(c.Workers))
	var requests sync.WaitGroup
	for k, m := range c.Workers {
		requests.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if replies[k], errs[k] = m.do(of(k, m)); errs[k] != nil {
				cancel()
			}
		})
	}
	requests.Wait()
	for _, err := range errs {
		if err != nil {
			return replies, c.keep(err)
		}
	}
	return replies, nil
}

// keep stores the first failure.
func (c *Cluster) keep(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.lost = err
	}
	return err
}

func (c *Cluster) Fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// Dial connects the absent clients among [from, to); see client.Fleet.Dial.
func (c *Cluster) Dial(ctx context.Context, from, to int) (failed int, err error) {
	n := len(c.Workers)
	before := c.total().Ended
	stop := client.KeepShowing(func() { c.cfg.ShowProgress("connecting", c.total().Ended-before, to-from) })
	replies, err := c.broadcast(ctx, func(k int, _ *Worker) request {
		return request{Do: doDial, From: share(from, k, n), To: share(to, k, n)}
	})
	stop()
	for _, a := range replies {
		failed += a.N
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return failed, err
}

// total returns the sum of the status of all processes. The clients of a process that has ended count as gone.
func (c *Cluster) total() (sum status) {
	replies, _ := c.broadcast(context.Background(), func(int, *Worker) request { return request{Do: doStatus} }) // keep has stored the error
	sum.Failures = map[string]int{}
	for k, a := range replies {
		s := a.Status
		if s == nil {
			sum.Gone += c.Workers[k].clients
			continue
		}
		sum.Open, sum.Gone, sum.Ended, sum.Pings, sum.Received = sum.Open+s.Open, sum.Gone+s.Gone, sum.Ended+s.Ended, sum.Pings+s.Pings, sum.Received+s.Received
		sum.Busy = append(sum.Busy, s.Busy...)
		for what, n := range s.Failures {
			sum.Failures[what] += n
		}
		if k == 0 {
			sum.Protocol, sum.Packed, sum.Agreed = s.Protocol, s.Packed, s.Agreed
		}
	}
	return sum
}

// Open returns the number of open clients.
func (c *Cluster) Open() int { return c.total().Open }

// Gone returns how many open clients the server has closed, or were lost with their process.
func (c *Cluster) Gone() int { return c.total().Gone }

// Failures returns how often each failure has happened so far.
func (c *Cluster) Failures() map[string]int { return c.total().Failures }

func (c *Cluster) Size() int { return c.clients }

func (c *Cluster) Config() client.Config { return c.cfg }

func (c *Cluster) Sample(s *load.Sampler) { c.sampler = s }

func (c *Cluster) Pings() int64 { return c.total().Pings }

func (c *Cluster) Busy() []int64 { return c.total().Busy }

func (c *Cluster) Agreed() (client.Terms, bool) {
	t := c.total()
	return client.Terms{Compressed: t.Packed, Protocol: t.Protocol}, t.Agreed
}

// CPU includes this process, which mostly waits.
func (c *Cluster) CPU() int64 { return proc.OwnCPU() + c.Processes().CPU() }

// Processes returns the worker processes.
func (c *Cluster) Processes() (p proc.Process) {
	for _, m := range c.Workers {
		p.PIDs = append(p.PIDs, m.PID())
	}
	return p
}

// Done is closed when the process has ended.
func (m *Worker) Done() <-chan struct{} { return m.exited }
