package bench

import (
	"context"
	"fmt"
	"time"
)

// Echo sends requests and waits until each comes back: every client is alone in its room, so any echo server will do too.
type Echo struct {
	Clients  int           `default:"100" help:"Clients, each alone in a room of its own, /echo-N."`
	Rate     float64       `default:"0" help:"Requests a second of all clients together, sent on time whatever becomes of them; 0: as fast as it goes."`
	InFlight int           `default:"1" help:"Without --rate: requests under way per client." name:"in-flight"`
	Seconds  float64       `default:"4" help:"Length of the load."`
	Size     Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	OnePath  bool          `help:"All clients take the path of --url: for echo servers that have one only." name:"one-path"`
	Grace    time.Duration `default:"15s" help:"With --rate: how long to wait for what is under way when the load ends."`
}

// EchoResult is what the requests gave.
type EchoResult struct {
	Rate       float64 `json:"rate"`      // asked for; 0: as fast as it went
	InFlight   int     `json:"in_flight"` // per client; 0 at a rate, which has no bound
	Clients    int     `json:"clients"`
	Sent       int64   `json:"sent"`
	Answered   int64   `json:"answered"`
	PerSecond  float64 `json:"answers_per_s_in_window"`
	Lost       int64   `json:"lost"`
	Duplicates int64   `json:"duplicates"`
	Reordered  int64   `json:"reordered"`
	Foreign    int64   `json:"foreign"`
	Held       int     `json:"held"`
	Gone       int     `json:"gone"`
	Latency    Latency `json:"latency"`
	CPU        float64 `json:"server_cpu_us_per_answer"`
	Lag        float64 `json:"sender_lag_p99_ms"`
	Usage      Usage   `json:"usage"`
}

func (o Echo) check() error {
	switch {
	case o.Size.check() != nil:
		return o.Size.check()
	case o.Rate < 0 || o.Seconds <= 0:
		return badOption("--rate %g --seconds %g: give a rate of zero or more, and a time over zero", o.Rate, o.Seconds)
	case o.Rate == 0 && (o.InFlight < 1 || o.InFlight > 1<<16):
		return badOption("--in-flight %d: give 1 to 65536", o.InFlight)
	case o.Rate*o.Seconds > 4e9:
		return badOption("--rate %g --seconds %g: that is more than 4,000,000,000 requests, which is where their numbers end", o.Rate, o.Seconds)
	}
	return nil
}

// Run measures.
func (o Echo) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, f, err := begin(&cfg, "echo", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !o.OnePath {
		r.ownRooms("echo-N")
		for i, c := range f.clients {
			c.path = fmt.Sprintf("/echo-%d", i)
		}
	}
	if err := f.mustOpen(ctx, r); err != nil {
		return r, err
	}
	r.Echo = &EchoResult{Rate: o.Rate, Clients: f.Open()}
	defer r.sample(f, server)()
	guard, lost := watch(f, server), f.lost.Load()
	lag := int64(0)
	var sum *counts
	if o.Rate > 0 {
		sum, lag = o.open(ctx, f, r.Echo)
	} else {
		sum = o.closed(ctx, f, r.Echo)
	}
	r.Echo.finish(sum, guard, o.Seconds)
	r.Echo.Gone, r.Echo.Lag = int(f.lost.Load()-lost), ms(lag)
	r.LimitedBy = append(r.LimitedBy, r.Echo.Usage.judge(lag, sum.hist.Quantile(.99))...)
	guard.remark(r, r.Echo.Usage)
	if sum.foreign > 0 {
		r.note("clients got %d messages that were not theirs: the server's rooms are not its paths, or it greets", sum.foreign)
	}
	r.Interrupted = ctx.Err() != nil
	return r, nil
}

// open sends at the rate and returns how late the sending thread woke, as p99 in nanoseconds.
func (o Echo) open(ctx context.Context, f *Fleet, res *EchoResult) (*counts, int64) {
	s := newSchedule(now()+50e6, o.Rate, o.Seconds, len(f.clients))
	tag := newTag()
	run := startRun(f, newSender(s, f.clients, o.Size, tag), f.clients, func() checker { return &answers{schedule: s, tag: tag} })
	run.wait(ctx, f, 1, o.Grace, fmt.Sprintf("echo at %g requests/s", o.Rate))
	sum := run.collect()
	res.Sent, res.Held = int64(sum.sent), sum.held
	res.Lost = res.Sent - sum.received.Load()
	return &sum.counts, sum.lag
}

func (r *EchoResult) finish(sum *counts, guard *Guard, seconds float64) {
	r.Usage = guard.usage()
	r.Answered, r.Duplicates, r.Reordered, r.Foreign = sum.received.Load(), sum.duplicates, sum.reordered, sum.foreign
	r.PerSecond = float64(sum.inWindow) / seconds
	r.Latency = sum.hist.Latency()
	r.CPU = float64(guard.server.cpu()-guard.cpu) / 1e3 / float64(max(1, r.Answered))
}

// answers checks the answers to requests that were sent by a schedule, of which every client is a sender: it needs a bit per request.
type answers struct {
	schedule
	counts
	tag uint64
}

func (a *answers) watch(c *client) {
	c.remember(a.total/a.senders+1, 1)
	c.sink = a
}

func (a *answers) data(c *client, b []byte, at int64) error {
	return c.events(b, func(ev Event) {
		seq, tag := stampOf(&ev.Head)
		if tag != a.tag || int(seq)%a.senders != c.index {
			a.foreign++
			return
		}
		n := seq / uint32(a.senders)
		if !a.once(c.seen, n) {
			return
		}
		if n < c.last[0] {
			a.reordered++
		} else {
			c.last[0] = n + 1
		}
		if at <= a.end {
			a.inWindow++
		}
		a.hist.Record(at - a.due(seq))
		a.received.Add(1)
	})
}

func (r *EchoResult) rows() [][]string {
	how := fmt.Sprintf("%g/s", r.Rate)
	if r.Rate == 0 {
		how = fmt.Sprintf("%d in flight", r.InFlight)
	}
	n, l := func(v any) string { return fmt.Sprint(v) }, r.Latency
	return [][]string{{"clients", "load", "answers", "in window/s", "lost", "dup", "reord", "p50 ms", "p90", "p99", "p99.9", "max", "server µs/answer", "server cores", "client cores", "held", "gone"},
		{n(r.Clients), how, n(r.Answered), fmt.Sprintf("%.0f", r.PerSecond), n(r.Lost), n(r.Duplicates), n(r.Reordered),
			cell(l.P50), cell(l.P90), cell(l.P99), cell(l.P999), cell(l.Max), cell(r.CPU), cell(r.Usage.Server), cell(r.Usage.Client), n(r.Held), n(r.Gone)}}
}
