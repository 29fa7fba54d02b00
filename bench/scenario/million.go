package scenario

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
)

// Million holds as many idle clients as possible on one machine and measures the cost of each. It starts as many servers
// as their limit of open files requires, and a worker process with clients for each. The servers do not know each other:
// each has its own lobby.
type Million struct {
	Clients int           `default:"1000000" help:"Number of clients of all servers together."`
	Servers option.Auto   `default:"auto" help:"Number of server processes, each with one client process; auto means as many as the limit of open files requires."`
	Hold    time.Duration `default:"60s" help:"How long to hold all clients, to measure the CPU time of heartbeats: at least twice the ping interval."`
	Size    option.Size   `default:"128" help:"Payload length of the broadcasts in bytes, at least 16."`
	Server  string        `kong:"-"` // command of a server that names its address in its first line; empty means bin/webim serve --dev on a free port
}

// millionServer is the default of Million.Server.
const millionServer = "bin/webim serve --dev --listen 127.0.0.1:0 --log-level warn"

// millionRun is a running Million.
type millionRun struct {
	Million
	cfg     client.Config
	servers []*proc.Server
	urls    []string
	cluster *cluster.Cluster // the clients of process k connect to server k
	r       *report.Report
	res     *report.MillionResult
}

// Run runs the scenario. It refuses more clients than the machine has resources for.
func (o Million) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	return o.run(ctx, cfg, &millionRun{})
}

func (o Million) run(ctx context.Context, cfg client.Config, m *millionRun) (*report.Report, error) {
	pairs, err := o.check()
	if err != nil {
		return nil, err
	}
	*m = millionRun{Million: o, cfg: cfg, res: &report.MillionResult{Servers: pairs}, cluster: cluster.Empty(cfg, o.Clients)}
	defer m.close()
	start := time.Now()
	for k := range pairs {
		if err := m.addPair(ctx, k, pairs); err != nil {
			return nil, err
		}
		cfg.ShowProgress("starting processes", 2*k+2, 2*pairs)
	}
	m.res.Started = time.Since(start).Seconds()
	m.cfg.URL, m.cfg.PID = m.urls[0], m.servers[0].PID()
	if m.r, _, err = load.NewReport(&m.cfg, "million", o); err != nil {
		return nil, err
	}
	m.r.Million = m.res
	defer load.StartSampling(m.r, m.cluster, m.server())()
	alive, stop := m.whileAllLive(ctx)
	defer stop()
	err = m.measure(alive)
	m.finish()
	if m.r.Interrupted = ctx.Err() != nil; m.r.Interrupted {
		err = nil
	} else if lost := m.lost(); lost != nil {
		err = lost
	}
	return m.r, err
}

// check returns the number of pairs of processes, or why the machine is too small.
func (o Million) check() (pairs int, err error) {
	if pairs = int(o.Servers); pairs == 0 {
		pairs = (o.Clients + proc.MaxClients() - 1) / proc.MaxClients()
	}
	switch {
	case o.Size.Check() != nil:
		return 0, o.Size.Check()
	case o.Clients < 1 || pairs > o.Clients || o.Hold < 0:
		return 0, option.Bad("--clients %d --servers %d --hold %s: give at least one client to each server, and a time of at least 0s", o.Clients, pairs, o.Hold)
	case (o.Clients+pairs-1)/pairs > proc.MaxClients():
		return 0, option.Bad("--servers %d: each would have %d clients, but a process can have only %d here; give at least %d servers",
			pairs, (o.Clients+pairs-1)/pairs, proc.MaxClients(), (o.Clients+proc.MaxClients()-1)/proc.MaxClients())
	}
	return pairs, checkCapacity(o.Clients, pairs)
}

// addPair starts server k and the worker process of its clients.
func (m *millionRun) addPair(ctx context.Context, k, pairs int) error {
	s, url, err := proc.StartAnnounced(ctx, "the server", proc.SplitCommand(option.OrDefault(m.Server, millionServer)))
	if err != nil {
		return err
	}
	m.servers, m.urls = append(m.servers, s), append(m.urls, url)
	share := m.cfg
	share.URL, share.PID, share.Progress = url, 0, nil
	return m.cluster.Add(share, k, pairs)
}

// server returns all server processes and their descendants.
func (m *millionRun) server() (all proc.Process) {
	for _, s := range m.servers {
		if p, err := proc.Tree(s.PID()); err == nil { // otherwise it has ended, which lost reports
			all.PIDs = append(all.PIDs, p.PIDs...)
		}
	}
	return all
}

// measure connects the clients, reads the memory, holds them, and sends broadcasts.
func (m *millionRun) measure(ctx context.Context) error {
	res, server, client := m.res, m.server(), m.cluster.Processes()
	if err := pause(ctx, m.cfg, "letting the processes settle", m.cfg.SettleTime()); err != nil {
		return err
	}
	res.ServerEmpty, res.ClientEmpty = server.PSS(), client.PSS()
	before, start := proc.ReadKernel(), time.Now()
	err := m.connect(ctx)
	res.Seconds = time.Since(start).Seconds()
	res.Clients = m.cluster.Open()
	res.PerSec = float64(res.Clients) / res.Seconds
	if err == nil {
		err = pause(ctx, m.cfg, "letting the processes settle", m.cfg.SettleTime())
	}
	res.ServerFull, res.ClientFull, res.Kernel = server.PSS(), client.PSS(), proc.ReadKernel().Since(before)
	if err == nil && m.Hold > 0 {
		var hold report.IdleHold
		hold, err = holdStill(ctx, m.cfg, m.cluster, server, m.Hold)
		res.Hold = &hold
	}
	if err == nil {
		err = m.broadcast(ctx)
		res.ServerAfter = server.PSS()
	}
	return err
}

// connect dials in as many worker processes at a time as there are processors, because the server of each works as hard.
func (m *millionRun) connect(ctx context.Context) error {
	stop := client.KeepShowing(func() { m.cfg.ShowProgress("connecting", m.cluster.Open(), m.Clients) })
	err := m.cluster.DialAll(ctx, runtime.NumCPU())
	stop()
	return err
}

// whileAllLive returns a context that ends when any process ends, because the rest is not worth the wait.
func (m *millionRun) whileAllLive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watch := func(exited <-chan struct{}) {
		watching.Go(func() {
			select {
			case <-exited:
				cancel()
			case <-ctx.Done():
			}
		})
	}
	for k, s := range m.servers {
		watch(s.Done())
		watch(m.cluster.Workers[k].Done())
	}
	return ctx, func() { cancel(); watching.Wait() }
}

// lost returns an error that names the process that has ended, or nil.
func (m *millionRun) lost() error {
	for _, s := range m.servers {
		select {
		case <-s.Done():
			return fmt.Errorf("the server process %d ended (%s); it said: %s", s.PID(), s.State(), s.Output())
		default:
		}
	}
	for _, worker := range m.cluster.Workers {
		select {
		case <-worker.Done():
			return worker.Fault()
		default:
		}
	}
	return m.cluster.Fault()
}

// broadcast sends one message in each lobby, one lobby after the other, and then one in all lobbies at once.
func (m *millionRun) broadcast(ctx context.Context) error {
	var middle, last []float64
	tag := stamp.NewTag()
	for k, worker := range m.cluster.Workers {
		start, times, n, err := worker.SendOne(ctx, m.Size, tag, 1)
		if err != nil {
			return err
		}
		round := load.SumUp(times, start, n)
		middle, last = append(middle, round.Median), append(last, round.Last)
		m.res.Received, m.res.Lost = m.res.Received+n-round.Lost, m.res.Lost+round.Lost
		m.cfg.ShowProgress("a message in each lobby", k+1, len(m.cluster.Workers))
	}
	m.res.Median, m.res.Last = stat.SpreadOf(middle), stat.SpreadOf(last)
	return m.allAtOnce(ctx, tag)
}

// allAtOnce measures the time from the first sending to the last reception.
func (m *millionRun) allAtOnce(ctx context.Context, tag uint64) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	first, last := int64(0), int64(0)
	for _, worker := range m.cluster.Workers {
		all.Go(func() {
			start, times, n, err := worker.SendOne(ctx, m.Size, tag, 2)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			if first == 0 || start < first {
				first = start
			}
			for _, t := range times {
				last = max(last, t)
			}
			m.res.Received, m.res.Lost = m.res.Received+len(times), m.res.Lost+n-len(times)
		})
	}
	all.Wait()
	m.res.AllLast = stat.MS(max(0, last-first))
	return failed
}

func (m *millionRun) finish() {
	m.res.Gone, m.res.Failures, m.res.Clients = m.cluster.Gone(), m.cluster.Failures(), m.cluster.Open()
	failed := 0
	for _, n := range m.res.Failures {
		failed += n
	}
	if failed+m.res.Gone > 0 {
		m.r.Note("of %d clients, %d could not connect and %d were closed by their server: %v", m.Clients, failed, m.res.Gone, m.res.Failures)
	}
	if h := m.res.Hold; h != nil && h.Pings == 0 && m.Hold > 0 {
		m.r.Note("no ping came in %s, so the CPU time is without heartbeats: give a --hold longer than the servers' ping interval", m.Hold)
	}
	m.r.Conditions.Server = fmt.Sprintf("%d times %s", len(m.servers), strings.TrimSpace(m.r.Conditions.Server))
}

// close ends all processes. The clients end first, so the servers need not close each connection.
func (m *millionRun) close() {
	m.cluster.Close()
	var all sync.WaitGroup
	for _, s := range m.servers {
		all.Go(s.Stop)
	}
	all.Wait()
}
