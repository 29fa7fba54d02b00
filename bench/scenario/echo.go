package scenario

import (
	"context"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// Echo sends requests and waits for their answers. Each client is alone in its room, so any echo server will do.
type Echo struct {
	Clients  int           `default:"100" help:"Number of clients. Each is alone in its room, /echo-N."`
	Rate     float64       `default:"0" help:"Requests per second of all clients together, in an open loop; 0 means as fast as possible, in a closed loop."`
	InFlight int           `default:"1" help:"Without --rate: requests of a client that may wait for an answer at the same time." name:"in-flight"`
	Seconds  float64       `default:"4" help:"Length of the load in seconds."`
	Size     option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	OnePath  bool          `help:"Use the path of --url for all clients, for echo servers that have one path only." name:"one-path"`
	Grace    time.Duration `default:"15s" help:"With --rate: maximum wait for late answers after the load."`
}

func (o Echo) check() error {
	switch {
	case o.Size.Check() != nil:
		return o.Size.Check()
	case o.Rate < 0 || o.Seconds <= 0:
		return option.Bad("--rate %g --seconds %g: give a rate of at least 0, and a time greater than 0", o.Rate, o.Seconds)
	case o.Rate == 0 && (o.InFlight < 1 || o.InFlight > 1<<16):
		return option.Bad("--in-flight %d: give 1 to 65536", o.InFlight)
	case o.Rate*o.Seconds > 4e9:
		return option.Bad("--rate %g --seconds %g: give at most 4,000,000,000 requests", o.Rate, o.Seconds)
	}
	return nil
}

// Run runs the scenario.
func (o Echo) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, f, err := load.Begin(&cfg, "echo", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !o.OnePath {
		r.OwnRooms("echo-N")
		for i, c := range f.Clients {
			c.Room = fmt.Sprintf("/echo-%d", i)
		}
	}
	if err := f.MustOpen(ctx, r); err != nil {
		return r, err
	}
	r.Echo = &report.EchoResult{Rate: o.Rate, Clients: f.Open()}
	defer load.StartSampling(r, f, server)()
	guard, lost := load.StartGuard(f, server), f.Gone()
	lag := int64(0)
	var sum *load.Counts
	if o.Rate > 0 {
		sum, lag = o.open(ctx, f, r.Echo)
	} else {
		sum = o.closed(ctx, f, r.Echo)
	}
	finishEcho(r.Echo, sum, guard, o.Seconds)
	r.Echo.Gone, r.Echo.Lag = int(f.Gone()-lost), stat.MS(lag)
	r.LimitedBy = append(r.LimitedBy, r.Echo.Usage.ClientLimits(lag, sum.Hist.Quantile(.99))...)
	guard.Remark(r, r.Echo.Usage)
	if sum.Foreign > 0 {
		r.Note("clients received %d messages of others: the server does not use the path as the room, or it sends a greeting", sum.Foreign)
	}
	r.Interrupted = ctx.Err() != nil
	return r, nil
}

// open sends at a rate. It also returns how late the sending thread woke, as p99 in nanoseconds.
func (o Echo) open(ctx context.Context, f *load.Local, res *report.EchoResult) (*load.Counts, int64) {
	s := load.NewSchedule(stat.Now()+50e6, o.Rate, o.Seconds, len(f.Clients))
	tag := stamp.NewTag()
	run := load.StartRun(f, load.NewSender(s, f.Clients, o.Size, tag), f.Clients, func() load.Checker { return &echoChecker{Schedule: s, tag: tag} })
	run.Wait(ctx, f, 1, o.Grace, fmt.Sprintf("echo at %g requests/s", o.Rate))
	sum := run.Collect()
	res.Sent, res.Held = int64(sum.Sent), sum.Held
	res.Lost = res.Sent - sum.Received.Load()
	return &sum.Counts, sum.Lag
}

func finishEcho(r *report.EchoResult, sum *load.Counts, guard *load.Guard, seconds float64) {
	r.Usage = guard.Usage()
	r.Answered, r.Duplicates, r.Reordered, r.Foreign = sum.Received.Load(), sum.Duplicates, sum.Reordered, sum.Foreign
	r.PerSecond = float64(sum.InWindow) / seconds
	r.Latency = sum.Hist.Latency()
	r.CPU = float64(guard.ServerCPU()) / 1e3 / float64(max(1, r.Answered))
}

// echoChecker checks the answers to the requests of a schedule in which each client is a sender. It needs one bit per
// request.
type echoChecker struct {
	load.Schedule
	load.Counts
	tag uint64
}

func (a *echoChecker) Prepare(c *client.Client) {
	c.Remember(a.Total/a.Senders+1, 1)
	c.Sink = a
}

func (a *echoChecker) Data(c *client.Client, b []byte, at int64) error {
	return c.Events(b, func(ev ws.Event) {
		seq, tag := stamp.Read(&ev.Head)
		if tag != a.tag || int(seq)%a.Senders != c.Index {
			a.Foreign++
			return
		}
		n := seq / uint32(a.Senders)
		if !a.Once(c.Seen, n) {
			return
		}
		if n < c.Last[0] {
			a.Reordered++
		} else {
			c.Last[0] = n + 1
		}
		if at <= a.End {
			a.InWindow++
		}
		a.Hist.Record(at - a.Due(seq))
		a.Received.Add(1)
	})
}
