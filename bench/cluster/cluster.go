package cluster

import (
	"context"
	"sync"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
)

// Cluster is a set of clients in worker processes, for more clients than one process has files. It is what a Fleet is, but for scenarios that only need clients
// that are there, floods and single messages. Client i is the business of process i modulo their number; the senders are all in the first. Its methods are for one goroutine.
type Cluster struct {
	cfg     client.Config
	clients int
	Workers []*Worker
	sampler *load.Sampler

	mu   sync.Mutex // guards lost
	lost error      // the first death
}

// New starts worker processes and gives each its share of n clients, all absent. Close it. Processes that die take their clients with them: then every
// method that returns an error says so.
func New(cfg client.Config, n, processes int) (*Cluster, error) {
	if processes < 1 || n < processes {
		return nil, option.Bad("%d clients in %d processes: give each process one client at least", n, processes)
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

// Empty returns a Crew of n clients without processes: add starts them. Close it.
func Empty(cfg client.Config, n int) *Cluster { return &Cluster{cfg: cfg, clients: n} }

// Add starts process k of so many, with its share of the clients, which go to cfg.URL.
func (c *Cluster) Add(cfg client.Config, k, processes int) error {
	m, err := startWorker(cfg.Worker, setup{cfg, share(c.clients, k, processes), k * max(cfg.SourceAddresses(), 0), k})
	if err == nil {
		c.Workers = append(c.Workers, m)
	}
	return err
}

// DialAll brings all clients to their servers, in at most so many processes at a time.
func (c *Cluster) DialAll(ctx context.Context, most int) error {
	_, err := c.each(ctx, most, func(_ int, m *Worker) request { return request{Do: doDial, To: m.clients} })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// share counts the clients below n of process k.
func share(n, k, processes int) int { return (n - k + processes - 1) / processes }

// Close ends all processes and their clients.
func (c *Cluster) Close() {
	var all sync.WaitGroup
	for _, m := range c.Workers {
		all.Go(m.stop)
	}
	all.Wait()
}

// broadcast gives an order to each process at once and waits for all answers. When ctx ends, or one process fails, the others are told to give up what lasts.
func (c *Cluster) broadcast(ctx context.Context, of func(k int, m *Worker) request) ([]reply, error) {
	return c.each(ctx, len(c.Workers), of)
}

// each is all, but for so many processes at a time.
func (c *Cluster) each(ctx context.Context, most int, of func(k int, m *Worker) request) ([]reply, error) {
	slots := make(chan struct{}, max(most, 1))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		for _, m := range c.Workers {
			_, _ = m.call(request{Do: doCancel})
		}
	})()
	answers, errs := make([]reply, len(c.Workers)), make([]error, len(c.Workers))
	var orders sync.WaitGroup
	for k, m := range c.Workers {
		orders.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if answers[k], errs[k] = m.do(of(k, m)); errs[k] != nil {
				cancel()
			}
		})
	}
	orders.Wait()
	for _, err := range errs {
		if err != nil {
			return answers, c.keep(err)
		}
	}
	return answers, nil
}

// keep keeps the first failure.
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

// Dial brings those of the clients [from, to) that are absent to the server; see Fleet.Dial.
func (c *Cluster) Dial(ctx context.Context, from, to int) (failed int, err error) {
	n := len(c.Workers)
	before := c.total().Ended
	stop := client.KeepShowing(func() { c.cfg.ShowProgress("connecting", c.total().Ended-before, to-from) })
	answers, err := c.broadcast(ctx, func(k int, _ *Worker) request {
		return request{Do: doDial, From: share(from, k, n), To: share(to, k, n)}
	})
	stop()
	for _, a := range answers {
		failed += a.N
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return failed, err
}

// total is the sum of how all processes are; of one that has ended there is nothing.
func (c *Cluster) total() (sum status) {
	answers, _ := c.broadcast(context.Background(), func(int, *Worker) request { return request{Do: doStatus} }) // the error is noted
	sum.Failures = map[string]int{}
	for k, a := range answers {
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

// Open returns how many clients are open.
func (c *Cluster) Open() int { return c.total().Open }

// Gone returns how many open clients the server has closed, or were lost with a process.
func (c *Cluster) Gone() int { return c.total().Gone }

// Failures returns the handshakes that failed so far, by what went wrong.
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

// CPU counts our own process too: it waits, mostly.
func (c *Cluster) CPU() int64 { return proc.OwnCPU() + c.Processes().CPU() }

// Processes are the worker processes.
func (c *Cluster) Processes() (p proc.Process) {
	for _, m := range c.Workers {
		p.PIDs = append(p.PIDs, m.PID())
	}
	return p
}

// Done is closed when the process has ended.
func (m *Worker) Done() <-chan struct{} { return m.exited }
