package scenario

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Idle opens clients that do nothing, and reads the memory of server and kernel at two or more numbers of clients; the
// slope is the memory per client. Then it holds the clients for a time and measures the CPU time of their heartbeats.
type Idle struct {
	Clients []int         `default:"1280,12000" help:"Rising numbers of clients at which the memory is read."`
	Members int           `default:"0" help:"Number of clients per room; 0 means that all share one room. The difference is the memory of the rooms."`
	Hold    time.Duration `default:"60s" help:"How long to hold all clients, to measure the CPU time of heartbeats: at least twice the server's ping interval. 0s skips this."`
}

// Run runs the scenario.
func (o Idle) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := load.NewReport(&cfg, "idle", o)
	if err != nil {
		return nil, err
	}
	cfg.Members = o.Members
	l, err := cluster.NewLoad(cfg, o.Clients[len(o.Clients)-1])
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer load.StartSampling(r, l, server)()
	r.Idle = &report.IdleResult{Before: server.PSS()}
	err = o.measure(ctx, cfg, l, server, r)
	finishIdle(r.Idle, l)
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	} else if missing := o.Clients[len(o.Clients)-1] - l.Open() - l.Gone(); err == nil && missing > 0 {
		err = load.NotConnected(missing, l)
	}
	load.NoteTerms(r, l)
	return r, err
}

func (o Idle) check() error {
	for i, n := range o.Clients {
		if n <= 0 || i > 0 && n <= o.Clients[i-1] {
			return option.Bad("--clients %v: give numbers that rise", o.Clients)
		}
	}
	if len(o.Clients) == 0 {
		return option.Bad("--clients: give at least one number")
	}
	if o.Members < 0 {
		return option.Bad("--members %d: give at least 0", o.Members)
	}
	if o.Hold < 0 {
		return option.Bad("--hold %s: give at least 0s", o.Hold)
	}
	return nil
}

// measure connects the clients step by step, and then holds them.
func (o Idle) measure(ctx context.Context, cfg client.Config, c load.Load, server proc.Process, r *report.Report) error {
	from, kernel := 0, proc.ReadKernel()
	for _, n := range o.Clients {
		step, err := weigh(ctx, cfg, c, server, from, n)
		if err != nil {
			return err
		}
		step.Kernel = proc.ReadKernel().Sum() - kernel.Sum()
		r.Idle.Steps = append(r.Idle.Steps, step)
		from = n
	}
	if o.Hold > 0 {
		hold, err := holdStill(ctx, cfg, c, server, o.Hold)
		r.Idle.Hold = &hold
		if hold.Pings == 0 && err == nil {
			r.Note("no ping came in %s, so the CPU time is without heartbeats: give a --hold longer than the server's ping interval", o.Hold)
		}
		return err
	}
	return load.FaultOf(c)
}

// holdStill waits and measures the CPU time meanwhile.
func holdStill(ctx context.Context, cfg client.Config, c load.Load, server proc.Process, hold time.Duration) (h report.IdleHold, err error) {
	pings, cpu, client, at := c.Pings(), server.CPU(), c.CPU(), stat.Now()
	err = pause(ctx, cfg, "holding them", hold)
	h = report.IdleHold{Clients: c.Open(), Pings: c.Pings() - pings, Seconds: float64(stat.Now()-at) / 1e9}
	h.Server, h.Client = float64(server.CPU()-cpu)/1e9/h.Seconds, float64(c.CPU()-client)/1e9/h.Seconds
	h.CPU = h.Server * 1e6 / float64(max(1, h.Clients))
	if h.Pings > 0 {
		h.PingEvery = h.Seconds * float64(h.Clients) / float64(h.Pings)
	}
	if err == nil {
		err = load.FaultOf(c)
	}
	return h, err
}

// weigh connects the clients [from, to), lets the server settle, and reads its memory.
func weigh(ctx context.Context, cfg client.Config, c load.Load, server proc.Process, from, to int) (report.IdleStep, error) {
	start := time.Now()
	_, err := c.Dial(ctx, from, to)
	took := time.Since(start).Seconds()
	if err != nil {
		return report.IdleStep{}, err
	}
	if c.Open() == 0 {
		return report.IdleStep{}, load.NotConnected(to, c)
	}
	err = pause(ctx, cfg, "letting the server settle", cfg.SettleTime())
	return report.IdleStep{Clients: c.Open(), PSS: server.PSS(), Seconds: took, PerSec: float64(to-from) / took}, err
}

func finishIdle(r *report.IdleResult, c load.Load) {
	r.Failures, r.Gone = client.HandshakeFailures(c.Failures()), c.Gone()
	if n := len(r.Steps); n > 0 {
		a, b := report.IdleStep{PSS: r.Before}, r.Steps[n-1]
		if n > 1 {
			a = r.Steps[0]
		}
		r.PerClient = float64(b.PSS-a.PSS) / float64(max(1, b.Clients-a.Clients))
		r.Kernel = float64(b.Kernel-a.Kernel) / float64(max(1, b.Clients-a.Clients))
	}
}

// pause waits, and shows the progress.
func pause(ctx context.Context, cfg client.Config, what string, d time.Duration) error {
	start := time.Now()
	for {
		spent := time.Since(start)
		cfg.ShowProgress(what, int(min(spent, d).Milliseconds()), int(d.Milliseconds()))
		if spent >= d {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(100*time.Millisecond, d-spent)):
		}
	}
}
