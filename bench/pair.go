package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Pair measures a room of two while another room is flooded: how much of a small room's time a big one takes.
type Pair struct {
	Clients int           `default:"1000" help:"Clients in the flooded room."`
	Senders int           `default:"20" help:"How many of them send."`
	Rate    float64       `default:"1000" help:"Messages a second into the flooded room."`
	Seconds float64       `default:"6" help:"Length of the flood."`
	Every   time.Duration `default:"10ms" help:"Time from one of the pair's messages to the next: by a fixed schedule, whatever becomes of them (an open loop)."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
}

// PairResult is the pair's deliveries, each from when its message was due, and the flood beside it. Both send in turns, and each message goes to both.
type PairResult struct {
	Alone      Latency     `json:"alone"`
	Beside     Latency     `json:"beside_flood"`
	AloneTrips int         `json:"alone_trips"` // deliveries
	Trips      int         `json:"beside_trips"`
	Lost       int         `json:"lost"`
	Flood      FloodResult `json:"flood"`
}

// Run measures.
func (o Pair) Run(ctx context.Context, cfg Config) (*Report, error) {
	flood := Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: o.Seconds, Size: o.Size, Grace: 10 * time.Second}
	if err := flood.check(); err != nil {
		return nil, err
	}
	if o.Every < 100*time.Microsecond {
		return nil, badOption("--every %s: give 100µs at least", o.Every)
	}
	r, server, err := newReport(&cfg, "pair", o)
	if err != nil {
		return nil, err
	}
	crowd, err := NewFleet(cfg, o.Clients, cfg.Receivers)
	if err != nil {
		return nil, err
	}
	defer crowd.Close()
	two, err := NewFleet(cfg, 2, 1) // a thread of its own: the flood's reads must not delay it
	if err != nil {
		return nil, err
	}
	defer two.Close()
	for _, c := range two.clients {
		c.path = fmt.Sprintf("/bench-pair-%d", rand.Uint32())
	}
	two.clients[1].path = two.clients[0].path
	for _, f := range []*Fleet{crowd, two} {
		if err := f.mustOpen(ctx, r); err != nil {
			return r, err
		}
	}
	r.Pair = &PairResult{}
	defer r.sample(crowd, server)()
	return r, o.measure(ctx, r, flood, server, crowd, two)
}

// measure takes the pair's messages for a second alone, then beside the flood.
func (o Pair) measure(ctx context.Context, r *Report, flood Flood, server process, crowd, two *Fleet) error {
	res := r.Pair
	alone := o.talk(ctx, two, 1)
	res.Alone, res.AloneTrips, res.Lost = alone.latency, alone.trips, alone.lost
	done := make(chan talk, 1)
	go func() { done <- o.talk(ctx, two, o.Seconds) }()
	var why []string
	var err error
	res.Flood, why, err = flood.step(ctx, crowd, server, o.Rate, r)
	beside := <-done
	res.Beside, res.Trips, res.Lost = beside.latency, beside.trips, res.Lost+beside.lost
	r.LimitedBy = append(r.LimitedBy, why...)
	r.Interrupted = ctx.Err() != nil
	return err
}

// talk is what the pair's messages gave.
type talk struct {
	latency     Latency
	trips, lost int
}

// talk sends by the schedule for so many seconds, and waits for what is under way.
func (o Pair) talk(ctx context.Context, two *Fleet, seconds float64) talk {
	s := newSchedule(now()+50e6, float64(time.Second)/float64(o.Every), seconds, 2)
	run := startFlood(two, s, o.Size, 0, two.clients)
	await(ctx, run, s, len(two.clients), 10*time.Second, func(int, int) {})
	sum := run.collect()
	got := int(sum.received.Load())
	return talk{sum.hist.Latency(), got, sum.sent*len(two.clients) - got}
}

func (r *PairResult) rows() [][]string {
	row := func(name string, n int, l Latency) []string {
		return []string{name, fmt.Sprint(n), cell(l.P50), cell(l.P90), cell(l.P99), cell(l.Max)}
	}
	f := r.Flood
	return [][]string{{"room of two, open loop", "deliveries", "p50 ms", "p90", "p99", "max"}, row("alone", r.AloneTrips, r.Alone), row("beside the flood", r.Trips, r.Beside),
		row(fmt.Sprintf("the flood itself (lost %d)", f.Lost), int(f.Delivered), f.Latency)}
}
