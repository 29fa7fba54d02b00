package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
)

// Million holds as many idle clients as possible on one machine and measures the cost of each. It starts as many servers
// as their limit of open files requires, and a worker process with clients for each. The servers are nodes that share their
// rooms over a NATS server, so all clients are in one room; or servers of a given command, each with a lobby of its own.
type Million struct {
	Clients int           `default:"1000000" help:"Number of clients of all servers together."`
	Servers option.Auto   `default:"auto" help:"Number of server processes, each with one client process; auto means as many as the limit of open files requires."`
	Hold    time.Duration `default:"60s" help:"How long to hold all clients, to measure the CPU time of heartbeats: at least twice the ping interval."`
	Size    option.Size   `default:"128" help:"Payload length of the broadcasts in bytes, at least 16."`
	Rounds  int           `default:"5" help:"Number of messages to the room of all clients."`
	Floor   bool          `default:"true" negatable:"" help:"Afterwards connect as many clients to bare servers, which only write, and send as many messages."`
	Webim   string        `default:"bin/webim" help:"Program of the nodes, which share their rooms over a NATS server; not with --cmd."`
	Server  string        `kong:"-"` // command of servers that do not know each other, and name their addresses in their first lines; empty means nodes
	NATS    []string      `kong:"-"` // command of the NATS server; empty means this program with the command nats
}

// millionRun is a running Million.
type millionRun struct {
	Million
	*pairs
	nodes *nodes // nil if the servers do not know each other
	r     *report.Report
	res   *report.MillionResult
}

// Run runs the scenario. It refuses more clients than the machine has resources for.
func (o Million) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	return o.run(ctx, cfg, &millionRun{})
}

func (o Million) run(ctx context.Context, cfg client.Config, m *millionRun) (*report.Report, error) {
	count, err := o.check()
	if err != nil {
		return nil, err
	}
	cfg.Timeout = max(cfg.Timeout, time.Duration(o.Clients)*allowance)
	*m = millionRun{Million: o, pairs: newPairs(cfg, o.Clients, count), res: &report.MillionResult{Servers: count}}
	defer func() { m.close() }()
	start := time.Now()
	if err := m.startServers(ctx); err != nil {
		return nil, err
	}
	m.res.Started = time.Since(start).Seconds()
	m.cfg.URL, m.cfg.PID = m.urls[0], m.servers[0].PID()
	if m.r, _, err = load.NewReport(&m.cfg, "million", o); err != nil {
		return nil, err
	}
	m.r.Million = m.res
	err = m.measureAll(ctx)
	if m.r.Interrupted = ctx.Err() != nil; m.r.Interrupted {
		err = nil
	} else if lost := m.lost(); lost != nil {
		err = lost
	}
	return m.r, err
}

// allowance is how long a message may take to all clients, for each of them: many times what it takes.
const allowance = 60 * time.Microsecond

// startServers starts the servers, as nodes or each for itself.
func (m *millionRun) startServers(ctx context.Context) (err error) {
	if m.Server != "" {
		return m.start(ctx, func(int) []string { return proc.SplitCommand(m.Server) })
	}
	if m.nodes, err = startNodes(ctx, m.Webim, m.NATS); err != nil {
		return err
	}
	return m.start(ctx, m.nodes.command)
}

// measureAll measures the servers, then the floor.
func (m *millionRun) measureAll(ctx context.Context) error {
	stopSampling := load.StartSampling(m.r, m.cluster, m.server())
	alive, stop := m.whileAllLive(ctx)
	err := m.measure(alive)
	stop()
	stopSampling()
	m.finish()
	if err != nil || m.nodes == nil || !m.Floor {
		return err
	}
	if err = m.lost(); err == nil {
		err = m.bareWrites(ctx)
	}
	return err
}

// nodeFiles is the number of files that a node of webim keeps for other things than clients, and some more.
const nodeFiles = 400

// perServer returns the number of clients that one server, and its worker process, can have here.
func (o Million) perServer() int {
	if o.Server == "" {
		return max(1, proc.MaxClients()-nodeFiles)
	}
	return proc.MaxClients()
}

// check returns the number of pairs of processes, or why the machine is too small.
func (o Million) check() (count int, err error) {
	most := o.perServer()
	fewest := (o.Clients + most - 1) / most
	if count = int(o.Servers); count == 0 {
		count = fewest
	}
	switch {
	case o.Size.Check() != nil:
		return 0, o.Size.Check()
	case o.Clients < 1 || count > o.Clients || o.Hold < 0 || o.Rounds < 0:
		return 0, option.Bad("--clients %d --servers %d --hold %s --rounds %d: give at least one client to each server, a time of at least 0s, and at least 0 rounds", o.Clients, count, o.Hold, o.Rounds)
	case count < fewest:
		return 0, option.Bad("--servers %d: each would have %d clients, but a process can have only %d here; give at least %d servers",
			count, (o.Clients+count-1)/count, most, fewest)
	}
	return count, checkCapacity(o.Clients, count)
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
	if err == nil && m.nodes != nil {
		return m.oneRoom(ctx)
	}
	if err == nil {
		err = m.broadcast(ctx)
		res.ServerAfter = server.PSS()
	}
	return err
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
	round, err := sendEverywhere(ctx, m.cluster, m.Size, tag, 2)
	if err != nil {
		return err
	}
	n := m.cluster.Open()
	m.res.AllLast, m.res.Received, m.res.Lost = round.Last, m.res.Received+n-round.Lost, m.res.Lost+round.Lost
	return nil
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

// close ends all processes.
func (m *millionRun) close() {
	m.pairs.close()
	if m.nodes != nil {
		m.nodes.close()
	}
}
