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
	r, server, f, err := begin(&cfg, "flood", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer r.sample(f, server)()
	r.Flood = []FloodResult{}
	for _, rate := range o.Rate {
		if err := f.mustOpen(ctx, r); err != nil {
			return r, err
		}
		res, why := o.step(ctx, f, server, rate, r)
		r.Flood = append(r.Flood, res)
		for _, w := range why {
			r.LimitedBy = append(r.LimitedBy, fmt.Sprintf("at %g msg/s %s", rate, w))
		}
		if ctx.Err() != nil {
			r.Interrupted = true
			break
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

// mustOpen dials what is absent; a room that is not full would make the figures meaningless.
func (f *Fleet) mustOpen(ctx context.Context, r *Report) error {
	failed, err := f.Dial(ctx, 0, len(f.clients))
	if err != nil {
		r.Interrupted = true
		return fmt.Errorf("interrupted while connecting: %w", err)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d clients could not connect: %v", failed, len(f.clients), f.Failures())
	}
	r.agreed(f)
	return nil
}

// agreed notes what the handshakes agreed on.
func (r *Report) agreed(f *Fleet) {
	f.workers[0].do(func() {
		t := f.clients[0].terms
		r.Conditions.Subprotocol, r.Conditions.Compressed = t.protocol, t.packed
	})
	if f.cfg.Compress && !r.Conditions.Compressed {
		r.note("the server did not take permessage-deflate: messages went uncompressed")
	}
}

// step floods at one rate and waits for the rest.
func (o Flood) step(ctx context.Context, f *Fleet, server process, rate float64, r *Report) (FloodResult, []string) {
	res := FloodResult{Rate: rate, Clients: f.Open()}
	s := newSchedule(now()+50e6, rate, o.Seconds, o.Senders)
	run := startFlood(f, s, o.Size, o.Nap, f.clients)
	guard, lost := watch(f, server), f.lost.Load()
	run.wait(ctx, f, res.Clients, o.Grace, fmt.Sprintf("flood at %g msg/s", rate))
	res.Usage = guard.usage()
	cpu := server.cpu() - guard.cpu
	sum := run.collect(f)
	res.Sent, res.Held, res.Unsent, res.Lag = run.sent, run.held, run.unsent(), ms(run.lag.Quantile(.99))
	res.Gone = int(f.lost.Load() - lost)
	res.Expected, res.Delivered = int64(res.Sent)*int64(res.Clients), sum.received.Load()
	res.Lost, res.InWindow = res.Expected-res.Delivered, sum.inWindow
	res.Duplicates, res.Reordered, res.Foreign = sum.duplicates, sum.reordered, sum.foreign
	res.PerSecond = float64(res.InWindow) / o.Seconds
	res.Latency = sum.hist.Latency()
	res.CPU = float64(cpu) / 1e3 / float64(max(res.Delivered, 1))
	guard.remark(r, res.Usage)
	return res, res.Usage.judge(run.lag.Quantile(.99), sum.hist.Quantile(.99))
}

// floodRun is a schedule under way: a flood's, or that of requests.
type floodRun struct {
	*sender
	counts []*counts // of each worker
	done   chan struct{}
}

// startFlood makes the clients of members tally, and starts the sender; the first clients of members send.
func startFlood(f *Fleet, s schedule, size Size, nap time.Duration, members []*client) *floodRun {
	tag := newTag()
	for _, w := range f.workers {
		w.nap.Store(int64(nap))
	}
	return startRun(f, newSender(s, members[:s.senders], size, tag), members, func() checker { return newTally(s, size, tag) })
}

// startRun gives the clients of members a checker for each worker, and starts the sender.
func startRun(f *Fleet, from *sender, members []*client, check func() checker) *floodRun {
	run := &floodRun{sender: from, done: make(chan struct{})}
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
		run.run()
		close(run.done)
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

// wait returns when all that was sent has come to all clients, or when the grace is over.
func (r *floodRun) wait(ctx context.Context, f *Fleet, clients int, grace time.Duration, what string) {
	const quiet = 3 * time.Second
	want := int64(r.total) * int64(clients)
	last, since := int64(-1), time.Now()
	for next := time.Now(); ; {
		got := r.received()
		if got != last || now() < r.end {
			last, since = got, time.Now()
		}
		over := now() - r.end
		if got >= want && over >= 0 || over > int64(grace) || over > 0 && time.Since(since) > quiet {
			break
		}
		if time.Now().After(next) {
			next = time.Now().Add(100 * time.Millisecond)
			f.cfg.progress(what, int(got), int(want))
		}
		select {
		case <-ctx.Done():
			r.stop.Store(true)
			<-r.done
			return
		case <-time.After(pollEvery):
		}
	}
	<-r.done
}

// collect ends the checking and returns the sum.
func (r *floodRun) collect(f *Fleet) *counts {
	f.rest()
	sum := &counts{}
	for i, c := range r.counts {
		f.workers[i].nap.Store(0)
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
