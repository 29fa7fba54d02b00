package scenario

import (
	"context"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Flood sends messages into one room at fixed rates and checks every delivery. It is an open loop: a late message does not
// delay the next.
type Flood struct {
	Clients int           `default:"1000" help:"Number of clients in the room."`
	Senders int           `default:"20" help:"Number of clients that send."`
	Rate    []float64     `default:"300" help:"Messages per second of all senders together. Several rates are measured one after another." name:"rate"`
	Seconds float64       `default:"4" help:"Length of the load in seconds."`
	Size    option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Grace   time.Duration `default:"15s" help:"Maximum wait for late messages after the load. It ends earlier if no message arrives for 3 s."`
	Nap     time.Duration `default:"0s" help:"Pause of the receiving threads after each round of reads. The client takes less CPU time, and the latency grows by the pause."`
}

// Run runs a flood at each rate.
func (o Flood) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := load.NewReport(&cfg, "flood", o)
	if err != nil {
		return nil, err
	}
	l, err := cluster.NewLoad(cfg, o.Clients)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer load.StartSampling(r, l, server)()
	r.Flood = []report.FloodResult{}
	for _, rate := range o.Rate {
		if err := load.MustOpen(ctx, l, r); err != nil {
			return r, err
		}
		res, why, err := o.step(ctx, l, server, rate, r)
		r.Flood = append(r.Flood, res)
		for _, w := range why {
			r.LimitedBy = append(r.LimitedBy, fmt.Sprintf("at %g msg/s %s", rate, w))
		}
		if ctx.Err() != nil {
			r.Interrupted = true
			break
		}
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

func (o Flood) check() error {
	switch {
	case o.Size.Check() != nil:
		return o.Size.Check()
	case o.Senders < 1 || o.Senders > o.Clients:
		return option.Bad("--senders %d: give at least 1 and at most --clients %d", o.Senders, o.Clients)
	case o.Seconds <= 0 || len(o.Rate) == 0:
		return option.Bad("give --seconds greater than 0 and a --rate")
	}
	for _, rate := range o.Rate {
		if rate <= 0 || rate*o.Seconds*float64(o.Clients) > 64e9 {
			return option.Bad("--rate %g: give a rate greater than 0, and at most 64,000,000,000 deliveries, because the check of each takes a bit of memory", rate)
		}
	}
	return nil
}

// step runs a flood at one rate and waits for the last deliveries. It also returns why the client was the bottleneck, if
// it was.
func (o Flood) step(ctx context.Context, l load.Load, server proc.Process, rate float64, r *report.Report) (res report.FloodResult, why []string, err error) {
	res = report.FloodResult{Rate: rate, Clients: l.Open()}
	s := load.NewSchedule(stat.Now()+headStart(l), rate, o.Seconds, o.Senders)
	guard, lost := load.StartGuard(l, server), l.Gone()
	run, err := l.Flood(s, o.Size, o.Nap)
	if err != nil {
		return res, nil, err
	}
	load.Await(ctx, run, s, res.Clients, o.Grace, func(got, want int) { l.Config().ShowProgress(fmt.Sprintf("flood at %g msg/s", rate), got, want) })
	res.Usage = guard.Usage()
	cpu := guard.ServerCPU()
	sum := run.Collect()
	res.Sent, res.Held, res.Unsent, res.Lag = sum.Sent, sum.Held, sum.Unsent, stat.MS(sum.Lag)
	res.Gone = l.Gone() - lost
	res.Expected, res.Delivered = int64(res.Sent)*int64(res.Clients), sum.Received.Load()
	res.Lost, res.InWindow = res.Expected-res.Delivered, sum.InWindow
	res.Duplicates, res.Reordered, res.Foreign = sum.Duplicates, sum.Reordered, sum.Foreign
	res.PerSecond = float64(res.InWindow) / o.Seconds
	res.Latency = sum.Hist.Latency()
	res.CPU = float64(cpu) / 1e3 / float64(max(res.Delivered, 1))
	guard.Remark(r, res.Usage)
	res.Remark(r)
	return res, res.Usage.ClientLimits(sum.Lag, sum.Hist.Quantile(.99)), load.FaultOf(l)
}

// headStart returns the time from the start of a flood to its first message, in nanoseconds. Worker processes need longer
// to prepare.
func headStart(l load.Load) int64 {
	if _, here := l.(*load.Local); here {
		return 50e6
	}
	return 1e9
}
