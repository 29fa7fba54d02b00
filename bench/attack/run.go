package attack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/load"
	"webim/bench/proc"
	"webim/bench/stat"
)

// Server tells the lab how to reach the server. If Start is nil, the server of Config.URL runs already, and all attacks use the same one.
type Server struct {
	// Start starts a new server for each attack.
	Start func(ctx context.Context) (*proc.Server, string, error)
	// MemoryLimit limits the server's memory in bytes (RLIMIT_DATA), if the lab starts it. 0 means no limit.
	MemoryLimit uint64
	// BystanderToken is the bystander's token; Config.Token is the attacker's.
	BystanderToken string
}

// Run runs the named attacks, or without names all attacks of the dialect. If log is not nil, Run calls it with one line after each attack.
// If ctx ends, the report is valid but partial.
func Run(ctx context.Context, cfg client.Config, s Server, o Options, names []string, log func(string)) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	attacks, err := find(names, orPlain(cfg.Dialect))
	if err != nil {
		return nil, err
	}
	r := &Report{Schema: Schema, Label: cfg.Label, Limit: s.MemoryLimit, Options: o}
	for _, a := range attacks {
		res, err := repeated(ctx, cfg, s, o, a, r)
		if ctx.Err() != nil {
			r.Interrupted = true
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", a.Name, err)
		}
		r.Attacks = append(r.Attacks, *res)
		if log != nil {
			log(res.line())
		}
	}
	return r, nil
}

func orPlain(dialect string) string {
	if dialect == "" {
		return client.Plain
	}
	return dialect
}

// repeated runs one attack again as long as only the p99 fails, and attempts are left.
func repeated(ctx context.Context, cfg client.Config, s Server, o Options, a Attack, into *Report) (*Result, error) {
	for attempt := 1; ; attempt++ {
		res, err := one(ctx, cfg, s, o, a, into)
		if err != nil || ctx.Err() != nil {
			return res, err
		}
		res.Attempts = attempt
		if !res.late || len(res.Failed) > 1 || attempt >= o.Attempts {
			return res, nil
		}
	}
}

// one runs one attack in all its phases.
func one(ctx context.Context, cfg client.Config, s Server, o Options, a Attack, into *Report) (*Result, error) {
	if a.prepare != nil {
		a.prepare()
	}
	var server *proc.Server
	if s.Start != nil {
		started, url, err := s.Start(ctx)
		if err != nil {
			return nil, err
		}
		defer started.Stop()
		server, cfg.URL, cfg.PID = started, url, started.PID()
		if s.MemoryLimit > 0 {
			if err := proc.LimitMemory(cfg.PID, s.MemoryLimit); err != nil {
				return nil, err
			}
		}
	}
	process, err := proc.Tree(cfg.PID)
	if err != nil {
		return nil, err
	}
	if len(into.Attacks) == 0 {
		into.Conditions = load.NewConditions(cfg, o)
	}
	target, err := client.NewDialer(cfg)
	if err != nil {
		return nil, err
	}
	p := &phases{o: o, target: target, process: process, res: &Result{Name: a.Name, What: a.What}}
	cfg.Token = s.BystanderToken
	if err := p.run(ctx, cfg, a); err != nil {
		return nil, err
	}
	if server != nil {
		if said, ended := server.Exited(); ended {
			p.res.Died = "it said: " + said
		}
	} else if !process.Alive() {
		p.res.Died = "its process has ended"
	}
	p.res.judge(o, p.trips, p.start, p.from, p.to)
	return p.res, nil
}

// phases is one running attack. Times are those of stat.Now.
type phases struct {
	o       Options
	target  client.Dialer
	process proc.Process
	res     *Result

	start, from, to int64
	trips           []load.Trip
}

// run runs baseline, attack and recovery. bystander is the bystander's Config.
func (p *phases) run(ctx context.Context, bystander client.Config, a Attack) error {
	longest := p.o.Baseline + p.o.Window + p.o.Recovery + time.Minute
	b, err := cluster.StartBystander(ctx, bystander, "/"+p.o.Beside, 10, longest)
	if err != nil {
		return err
	}
	p.start = stat.Now()
	w := startWatcher(p.process, p.start)
	p.baseline(ctx)
	p.attack(ctx, a)
	p.recover(ctx)
	seen, err := b.Stop(p.o.Grace)
	if err != nil {
		p.res.Bystander.Fault = err.Error()
	}
	p.trips, p.res.Bystander.Gone, p.res.Bystander.Refused, p.res.Bystander.Lag = seen.Trips, seen.Gone, seen.Refused, float64(seen.Lag)/1e6
	p.res.Samples = w.end()
	p.res.From, p.res.To = float64(p.from-p.start)/1e9, float64(p.to-p.start)/1e9
	p.res.Server.RSSPeak, p.res.Server.FDsPeak = peaks(p.res.Samples, p.res.From)
	return nil
}

func (p *phases) baseline(ctx context.Context) {
	cpu := p.process.CPU()
	wait(ctx, p.o.Baseline)
	s := &p.res.Server
	s.Known = p.process.Known()
	s.CPUBefore = float64(p.process.CPU()-cpu) / float64(p.o.Baseline)
	s.RSSBefore, s.FDsBefore = p.process.RSS(), p.process.FDs()
}

// attack runs the attack for the window.
func (p *phases) attack(ctx context.Context, a Attack) {
	p.from = stat.Now()
	cpu, own := p.process.CPU(), proc.OwnCPU()
	window, cancel := context.WithTimeout(ctx, p.o.Window)
	defer cancel()
	at := newAttacker(window, p.target, p.o)
	defer at.watch()()
	at.run(a)
	p.to = stat.Now()
	p.res.Server.CPU = max(0, float64(p.process.CPU()-cpu)/float64(p.to-p.from))
	p.res.Attacker = AttackerCost{Sent: at.sent.Load(), Received: at.received.Load(), Dialed: at.dialed.Load(), Open: at.most, Said: at.said,
		CPU: float64(proc.OwnCPU()-own) / float64(p.to-p.from)}
	if why := at.skip.Load(); why != nil {
		p.res.Skipped = *why
	}
}

// recover waits until memory and files have returned.
func (p *phases) recover(ctx context.Context) {
	s, began := &p.res.Server, time.Now()
	for {
		wait(ctx, min(sampleEvery, p.o.Recovery))
		s.RSSAfter, s.FDsAfter = p.process.RSS(), p.process.FDs()
		s.ReturnedIn = time.Since(began).Seconds()
		if ctx.Err() != nil || s.returned(p.o) || time.Since(began) >= p.o.Recovery {
			return
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// ErrRemote is the error for a target on another machine.
var ErrRemote = errors.New("the target is not this machine: give --allow-remote if it is yours to attack")

// CheckTarget refuses a target that is not loopback unless remote is true.
func CheckTarget(cfg client.Config, remote bool) error {
	t, err := client.NewDialer(cfg)
	if err == nil && !remote && !t.Loopback() {
		return fmt.Errorf("--url %s: %w", t.Address(), ErrRemote)
	}
	return err
}
