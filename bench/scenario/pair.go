package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Pair measures a room of two while another room is flooded: how far a big room delays a small one.
type Pair struct {
	Clients int           `default:"1000" help:"Number of clients in the flooded room."`
	Senders int           `default:"20" help:"Number of clients that send."`
	Rate    float64       `default:"1000" help:"Messages per second into the flooded room."`
	Seconds float64       `default:"6" help:"Length of the flood in seconds."`
	Every   time.Duration `default:"10ms" help:"Time between two messages of the pair, in an open loop."`
	Size    option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
}

// Run runs the scenario.
func (o Pair) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	flood := Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: o.Seconds, Size: o.Size, Grace: 10 * time.Second}
	if err := flood.check(); err != nil {
		return nil, err
	}
	if o.Every < 100*time.Microsecond {
		return nil, option.Bad("--every %s: give at least 100µs", o.Every)
	}
	r, server, err := load.NewReport(&cfg, "pair", o)
	if err != nil {
		return nil, err
	}
	flooded, err := load.NewLocal(cfg, o.Clients, cfg.Receivers)
	if err != nil {
		return nil, err
	}
	defer flooded.Close()
	two, err := load.NewLocal(cfg, 2, 1) // a thread of its own, so that the reads of the flood do not delay the pair
	if err != nil {
		return nil, err
	}
	defer two.Close()
	for _, c := range two.Clients {
		c.Room = fmt.Sprintf("/bench-pair-%d", rand.Uint32())
	}
	two.Clients[1].Room = two.Clients[0].Room
	for _, f := range []*load.Local{flooded, two} {
		if err := f.MustOpen(ctx, r); err != nil {
			return r, err
		}
	}
	r.Pair = &report.PairResult{}
	defer load.StartSampling(r, flooded, server)()
	return r, o.measure(ctx, r, flood, server, flooded, two)
}

// measure sends the pair's messages for a second alone, and then beside the flood.
func (o Pair) measure(ctx context.Context, r *report.Report, flood Flood, server proc.Process, flooded, two *load.Local) error {
	res := r.Pair
	alone := o.send(ctx, two, 1)
	res.Alone, res.AloneTrips, res.Lost = alone.latency, alone.trips, alone.lost
	done := make(chan pairTraffic, 1)
	go func() { done <- o.send(ctx, two, o.Seconds) }()
	var why []string
	var err error
	res.Flood, why, err = flood.step(ctx, flooded, server, o.Rate, r)
	beside := <-done
	res.Beside, res.Trips, res.Lost = beside.latency, beside.trips, res.Lost+beside.lost
	r.LimitedBy = append(r.LimitedBy, why...)
	r.Interrupted = ctx.Err() != nil
	return err
}

// pairTraffic is the result of the pair's messages.
type pairTraffic struct {
	latency     stat.Latency
	trips, lost int
}

// send sends by the schedule for so many seconds, and waits for the last deliveries.
func (o Pair) send(ctx context.Context, two *load.Local, seconds float64) pairTraffic {
	s := load.NewSchedule(stat.Now()+50e6, float64(time.Second)/float64(o.Every), seconds, 2)
	run := load.StartFlood(two, s, o.Size, 0, two.Clients)
	load.Await(ctx, run, s, len(two.Clients), 10*time.Second, func(int, int) {})
	sum := run.Collect()
	got := int(sum.Received.Load())
	return pairTraffic{sum.Hist.Latency(), got, sum.Sent*len(two.Clients) - got}
}
