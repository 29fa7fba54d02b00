package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Crew is a set of clients in worker processes, for more clients than one process has files. It is what a Fleet is, but for scenarios that only need clients
// that are there, floods and single messages. Client i is the business of process i modulo their number; the senders are all in the first. Its methods are for one goroutine.
type Crew struct {
	cfg     Config
	clients int
	mates   []*mateProcess
	sampler *sampler

	mu   sync.Mutex // guards lost
	lost error      // the first death
}

// mateProcess is one worker process, from outside.
type mateProcess struct {
	*caller
	cmd     *exec.Cmd
	said    *tail         // on standard error
	exited  chan struct{} // closed when it has ended
	clients int
}

// NewCrew starts worker processes and gives each its share of n clients, all absent. Close it. Processes that die take their clients with them: then every
// method that returns an error says so.
func NewCrew(cfg Config, n, processes int) (*Crew, error) {
	if processes < 1 || n < processes {
		return nil, badOption("%d clients in %d processes: give each process one client at least", n, processes)
	}
	t, err := parseTarget(cfg.URL)
	if err == nil {
		err = cfg.checkDialect(t)
	}
	if err != nil {
		return nil, err
	}
	c := &Crew{cfg: cfg, clients: n}
	share := cfg
	share.InFlight, share.Progress, share.Processes = max(1, cfg.inFlight()/processes), nil, 0
	for k := range processes {
		m, err := startMate(cfg.Worker, enlistment{share, upTo(n, k, processes), k * max(cfg.sources(), 0), k})
		if err != nil {
			c.Close()
			return nil, err
		}
		c.mates = append(c.mates, m)
	}
	return c, nil
}

// upTo counts the clients below n of process k.
func upTo(n, k, processes int) int { return (n - k + processes - 1) / processes }

// startMate starts a worker process and enlists it. It dies with us, whatever happens.
func startMate(argv []string, e enlistment) (*mateProcess, error) {
	if len(argv) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		argv = []string{self, "worker"}
	}
	m := &mateProcess{cmd: exec.Command(argv[0], argv[1:]...), said: &tail{}, exited: make(chan struct{}), clients: e.Clients}
	m.cmd.Stderr = m.said
	// A group of its own: the terminal's Ctrl-C is for us alone, who tell the others what to do.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("a worker process: %w", err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("a worker process: %w", err)
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("a worker process: %w", err)
	}
	m.caller = newCaller(out, in)
	go func() {
		<-m.ended
		_ = m.cmd.Process.Kill() // it has closed its end or written nonsense: no use for it
		_ = m.cmd.Wait()         // ProcessState says how it ended
		close(m.exited)
	}()
	if _, err := m.order(order{Do: doEnlist, Enlist: &e}); err != nil {
		m.stop()
		return nil, err
	}
	return m, nil
}

func (m *mateProcess) pid() int { return m.cmd.Process.Pid }

// order is call with a better word for the end of the process.
func (m *mateProcess) order(o order) (answer, error) {
	a, err := m.call(o)
	if errors.Is(err, errHome) {
		return a, m.death()
	}
	return a, err
}

// death says how the process ended, when it has.
func (m *mateProcess) death() error {
	<-m.exited
	words := m.said.String()
	if words != "" {
		words = "; it said: " + words
	}
	return fmt.Errorf("the worker process %d ended (%s) and took its %d clients with it%s", m.pid(), m.cmd.ProcessState, m.clients, words)
}

// stop lets the process go home, and kills it when it does not within five seconds.
func (m *mateProcess) stop() {
	_ = m.out.Close()
	select {
	case <-m.exited:
	case <-time.After(5 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.exited
	}
}

// Close ends all processes and their clients.
func (c *Crew) Close() {
	var all sync.WaitGroup
	for _, m := range c.mates {
		all.Go(m.stop)
	}
	all.Wait()
}

// all gives an order to each process at once and waits for all answers. When ctx ends, or one process fails, the others are told to give up what lasts.
func (c *Crew) all(ctx context.Context, of func(k int, m *mateProcess) order) ([]answer, error) {
	return c.some(ctx, len(c.mates), of)
}

// some is all, but for so many processes at a time.
func (c *Crew) some(ctx context.Context, most int, of func(k int, m *mateProcess) order) ([]answer, error) {
	slots := make(chan struct{}, max(most, 1))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		for _, m := range c.mates {
			_, _ = m.call(order{Do: doCancel})
		}
	})()
	answers, errs := make([]answer, len(c.mates)), make([]error, len(c.mates))
	var orders sync.WaitGroup
	for k, m := range c.mates {
		orders.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if answers[k], errs[k] = m.order(of(k, m)); errs[k] != nil {
				cancel()
			}
		})
	}
	orders.Wait()
	for _, err := range errs {
		if err != nil {
			return answers, c.note(err)
		}
	}
	return answers, nil
}

// note keeps the first failure.
func (c *Crew) note(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.lost = err
	}
	return err
}

func (c *Crew) fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// Dial brings those of the clients [from, to) that are absent to the server; see Fleet.Dial.
func (c *Crew) Dial(ctx context.Context, from, to int) (failed int, err error) {
	n := len(c.mates)
	before := c.total().Ended
	stop := keepShowing(func() { c.cfg.progress("connecting", c.total().Ended-before, to-from) })
	answers, err := c.all(ctx, func(k int, _ *mateProcess) order {
		return order{Do: doDial, From: upTo(from, k, n), To: upTo(to, k, n)}
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
func (c *Crew) total() (sum stat) {
	answers, _ := c.all(context.Background(), func(int, *mateProcess) order { return order{Do: doStat} }) // the error is noted
	sum.Failures = map[string]int{}
	for k, a := range answers {
		s := a.Stat
		if s == nil {
			sum.Gone += c.mates[k].clients
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
func (c *Crew) Open() int { return c.total().Open }

// Gone returns how many open clients the server has closed, or were lost with a process.
func (c *Crew) Gone() int { return c.total().Gone }

// Failures returns the handshakes that failed so far, by what went wrong.
func (c *Crew) Failures() map[string]int { return c.total().Failures }

func (c *Crew) size() int         { return c.clients }
func (c *Crew) config() Config    { return c.cfg }
func (c *Crew) sample(s *sampler) { c.sampler = s }
func (c *Crew) pings() int64      { return c.total().Pings }
func (c *Crew) busy() []int64     { return c.total().Busy }

func (c *Crew) agreed() (terms, bool) {
	t := c.total()
	return terms{packed: t.Packed, protocol: t.Protocol}, t.Agreed
}

// cpu counts our own process too: it waits, mostly.
func (c *Crew) cpu() int64 { return ownCPU() + c.processes().cpu() }

// processes are the worker processes.
func (c *Crew) processes() (p process) {
	for _, m := range c.mates {
		p.pids = append(p.pids, m.pid())
	}
	return p
}
