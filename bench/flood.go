package bench

import (
	"context"
	"fmt"
	"time"
)

// Flood sends messages into one room at fixed rates, whatever becomes of them (an open loop), and checks every delivery.
type Flood struct {
	Clients int           `default:"1000" help:"Clients in the room."`
	Senders int           `default:"20" help:"How many of them send."`
	Rate    []float64     `default:"300" help:"Messages a second, of all senders together. Several rates are run one after another." name:"rate"`
	Seconds float64       `default:"4" help:"Length of the load."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	Grace   time.Duration `default:"15s" help:"How long to wait for what is under way when the load ends; it ends earlier when nothing comes for 3 s."`
	Nap     time.Duration `default:"0s" help:"Pause of the receivers after each round of reads: less CPU for the client, that much more latency."`
}

// FloodResult is what a flood at one rate gave. Deliveries count each message and client once.
type FloodResult struct {
	Rate       float64 `json:"rate"`
	Clients    int     `json:"clients"`
	Sent       int     `json:"sent"`
	Expected   int64   `json:"deliveries_expected"`
	Delivered  int64   `json:"deliveries"`
	InWindow   int64   `json:"deliveries_in_window"`
	PerSecond  float64 `json:"deliveries_per_s_in_window"`
	Lost       int64   `json:"lost"`
	Duplicates int64   `json:"duplicates"`
	Reordered  int64   `json:"reordered"`
	Foreign    int64   `json:"foreign"` // messages of somebody else
	Held       int     `json:"held"`    // messages that the server did not take at once
	Unsent     int     `json:"unsent"`  // and not at all until the end; they count as lost
	Gone       int     `json:"gone"`    // clients that ended meanwhile
	Latency    Latency `json:"latency"`
	CPU        float64 `json:"server_cpu_us_per_delivery"`
	Lag        float64 `json:"sender_lag_p99_ms"`
	Usage      Usage   `json:"usage"`
}

// Run floods at each rate.
func (o Flood) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := newReport(&cfg, "flood", o)
	if err != nil {
		return nil, err
	}
	l, err := newLoad(cfg, o.Clients)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer r.sample(l, server)()
	r.Flood = []FloodResult{}
	for _, rate := range o.Rate {
		if err := mustOpen(ctx, l, r); err != nil {
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
	case o.Size.check() != nil:
		return o.Size.check()
	case o.Senders < 1 || o.Senders > o.Clients:
		return badOption("--senders %d: give one at least and not more than --clients %d", o.Senders, o.Clients)
	case o.Seconds <= 0 || len(o.Rate) == 0:
		return badOption("give --seconds over zero and a --rate")
	}
	for _, rate := range o.Rate {
		if rate <= 0 || rate*o.Seconds*float64(o.Clients) > 64e9 {
			return badOption("--rate %g: give one over zero, and no more than 64,000,000,000 deliveries: each takes a bit of memory to be checked", rate)
		}
	}
	return nil
}

// mustOpen is mustOpen for scenarios that need a Fleet.
func (f *Fleet) mustOpen(ctx context.Context, r *Report) error { return mustOpen(ctx, f, r) }

// step floods at one rate and waits for the rest.
func (o Flood) step(ctx context.Context, l load, server process, rate float64, r *Report) (res FloodResult, why []string, err error) {
	res = FloodResult{Rate: rate, Clients: l.Open()}
	s := newSchedule(now()+headStart(l), rate, o.Seconds, o.Senders)
	guard, lost := watch(l, server), l.Gone()
	run, err := l.flood(s, o.Size, o.Nap)
	if err != nil {
		return res, nil, err
	}
	await(ctx, run, s, res.Clients, o.Grace, func(got, want int) { l.config().progress(fmt.Sprintf("flood at %g msg/s", rate), got, want) })
	res.Usage = guard.usage()
	cpu := server.cpu() - guard.cpu
	sum := run.collect()
	res.Sent, res.Held, res.Unsent, res.Lag = sum.sent, sum.held, sum.unsent, ms(sum.lag)
	res.Gone = l.Gone() - lost
	res.Expected, res.Delivered = int64(res.Sent)*int64(res.Clients), sum.received.Load()
	res.Lost, res.InWindow = res.Expected-res.Delivered, sum.inWindow
	res.Duplicates, res.Reordered, res.Foreign = sum.duplicates, sum.reordered, sum.foreign
	res.PerSecond = float64(res.InWindow) / o.Seconds
	res.Latency = sum.hist.Latency()
	res.CPU = float64(cpu) / 1e3 / float64(max(res.Delivered, 1))
	guard.remark(r, res.Usage)
	res.remark(r)
	return res, res.Usage.judge(sum.lag, sum.hist.Quantile(.99)), faultOf(l)
}

// remark says what the losses are, as far as they show it.
func (s FloodResult) remark(r *Report) {
	if n := int64(s.Clients); s.Lost > 0 && s.Lost%n == 0 && s.Gone == 0 && s.Unsent == 0 {
		r.note("at %g msg/s %d of %d messages came to no client at all: a server refuses messages like that which are above a rate limit; raise its limits (webim: --rate-send, --user-rate-send, or serve --dev) or send less", s.Rate, s.Lost/n, s.Sent)
	}
}

// headStart is how long before its first message a flood is prepared, in nanoseconds: processes take longer to be told.
func headStart(l load) int64 {
	if _, here := l.(*Fleet); here {
		return 50e6
	}
	return 1e9
}

// floodRun is a schedule under way: a flood's, or that of requests.
type floodRun struct {
	*sender // without senders in a process that only receives
	fleet   *Fleet
	counts  []*counts // of each worker
	done    chan struct{}
}

// flood makes all clients tally; the first of them send.
func (f *Fleet) flood(s schedule, size Size, nap time.Duration) (flooding, error) {
	return startFlood(f, s, size, nap, f.clients), nil
}

// startFlood makes the clients of members tally, and starts the sender; the first clients of members send.
func startFlood(f *Fleet, s schedule, size Size, nap time.Duration, members []*client) *floodRun {
	return startTagged(f, s, size, nap, newTag(), members, members[:s.senders])
}

// startTagged is startFlood with a tag that others know too, and senders that may be elsewhere.
func startTagged(f *Fleet, s schedule, size Size, nap time.Duration, tag uint64, members, senders []*client) *floodRun {
	for _, w := range f.workers {
		w.nap.Store(int64(nap))
	}
	return startRun(f, newSender(s, senders, size, tag), members, func() checker { return newTally(s, size, tag) })
}

// startRun gives the clients of members a checker for each worker, and starts the sender.
func startRun(f *Fleet, from *sender, members []*client, check func() checker) *floodRun {
	run := &floodRun{sender: from, fleet: f, done: make(chan struct{})}
	checkers := make([]checker, len(f.workers))
	for i := range checkers {
		checkers[i] = check()
		run.counts = append(run.counts, checkers[i].sum())
	}
	in := make(map[*client]bool, len(members))
	for _, c := range members {
		in[c] = true
	}
	f.each(func(c *client) {
		if in[c] {
			checkers[c.index%len(f.workers)].watch(c)
		}
	})
	f.sampler.follow(run)
	go func() {
		defer close(run.done)
		if len(run.from) > 0 {
			run.run()
		}
	}()
	return run
}

// received returns the deliveries so far.
func (r *floodRun) received() (n int64) {
	for _, c := range r.counts {
		n += c.received.Load()
	}
	return n
}

// wait is await with progress.
func (r *floodRun) wait(ctx context.Context, f *Fleet, clients int, grace time.Duration, what string) {
	await(ctx, r, r.schedule, clients, grace, func(got, want int) { f.cfg.progress(what, got, want) })
}

func (r *floodRun) halt() {
	r.stop.Store(true)
	<-r.done
}

// collect ends the checking and returns the sum.
func (r *floodRun) collect() *counted {
	r.halt()
	r.fleet.rest()
	sum := &counted{sent: r.sent, held: r.held, unsent: r.sender.unsent(), lag: r.lag.Quantile(.99)}
	for i, c := range r.counts {
		r.fleet.workers[i].nap.Store(0)
		sum.add(c)
	}
	return sum
}

// rest makes all clients ignore what comes; what the workers have counted is the caller's from then on.
func (f *Fleet) rest() {
	rest := &ignore{}
	f.each(func(c *client) { c.sink = rest })
}

func floodRows(steps []FloodResult) [][]string {
	rows := [][]string{{"msg/s", "deliveries", "in window/s", "lost", "dup", "reord", "p50 ms", "p90", "p99", "p99.9", "max", "server µs/delivery", "server cores", "client cores", "held", "gone"}}
	for _, s := range steps {
		n := func(v any) string { return fmt.Sprint(v) }
		l := s.Latency
		rows = append(rows, []string{n(s.Rate), n(s.Delivered), fmt.Sprintf("%.0f", s.PerSecond), n(s.Lost), n(s.Duplicates), n(s.Reordered),
			cell(l.P50), cell(l.P90), cell(l.P99), cell(l.P999), cell(l.Max), cell(s.CPU), cell(s.Usage.Server), cell(s.Usage.Client), n(s.Held), n(s.Gone)})
	}
	return rows
}
