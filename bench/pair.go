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
	Every   time.Duration `default:"10ms" help:"Mean pause between the pair's messages, at random between half and one and a half of it."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
}

// PairResult is the pair's round trips, from sending until both have the message, and the flood beside it.
type PairResult struct {
	Alone      Latency     `json:"alone"`
	Beside     Latency     `json:"beside_flood"`
	AloneTrips int         `json:"alone_trips"`
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
	return r, o.measure(ctx, r, flood, server, crowd, newRounds(two, server, o.Size, newTag()))
}

// measure takes the pair's trips for a second alone, then beside the flood.
func (o Pair) measure(ctx context.Context, r *Report, flood Flood, server process, crowd *Fleet, pair *rounds) error {
	res := r.Pair
	alone, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	res.Alone, res.AloneTrips = o.trips(alone, pair, &res.Lost)
	beside, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		res.Beside, res.Trips = o.trips(beside, pair, &res.Lost)
	}()
	window := time.AfterFunc(time.Duration(o.Seconds*float64(time.Second)), stop)
	defer window.Stop()
	var why []string
	var err error
	res.Flood, why, err = flood.step(ctx, crowd, server, o.Rate, r)
	stop()
	<-done
	r.LimitedBy = append(r.LimitedBy, why...)
	r.Interrupted = ctx.Err() != nil
	return err
}

// trips sends one message after another until ctx ends.
func (o Pair) trips(ctx context.Context, pair *rounds, lost *int) (Latency, int) {
	var h Hist
	for {
		round, err := pair.shoot(ctx)
		if err != nil {
			return h.Latency(), int(h.Count())
		}
		if *lost += round.Lost; round.Lost == 0 {
			h.Record(int64(round.Last * 1e6))
		}
		wait := o.Every/2 + time.Duration(rand.Int64N(int64(max(o.Every, 0))+1))
		if pause(ctx, Config{}, "", wait) != nil {
			return h.Latency(), int(h.Count())
		}
	}
}

func (r *PairResult) rows() [][]string {
	row := func(name string, n int, l Latency) []string {
		return []string{name, fmt.Sprint(n), cell(l.P50), cell(l.P90), cell(l.P99), cell(l.Max)}
	}
	f := r.Flood
	return [][]string{{"room of two", "trips", "p50 ms", "p90", "p99", "max"}, row("alone", r.AloneTrips, r.Alone), row("beside the flood", r.Trips, r.Beside),
		row(fmt.Sprintf("the flood itself (lost %d)", f.Lost), int(f.Delivered), f.Latency)}
}
