package scenario

import (
	"context"
	"math"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Rate raises the rate of a flood until a bound breaks, and then narrows down the rate at which it broke.
type Rate struct {
	Clients int           `default:"1000" help:"Number of clients in the room."`
	Senders int           `default:"20" help:"Number of clients that send."`
	From    float64       `default:"100" help:"Messages per second of the first step."`
	Upto    float64       `default:"100000" help:"Highest rate to try." name:"to"`
	Factor  float64       `default:"2" help:"Ratio of each rate to the one before."`
	Narrow  int           `default:"3" help:"Number of further steps between the last rate within the bound and the first one above it."`
	Bound   time.Duration `default:"100ms" help:"Bound of the 99th percentile of the latency. A lost, duplicate or reordered message breaks the bound, too."`
	Seconds float64       `default:"4" help:"Length of each step in seconds."`
	Size    option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Grace   time.Duration `default:"15s" help:"Maximum wait for late messages after a step."`
}

func (o Rate) flood(rate float64) Flood {
	return Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{rate}, Seconds: o.Seconds, Size: o.Size, Grace: o.Grace}
}

func (o Rate) check() error {
	if o.From <= 0 || o.Upto < o.From || o.Factor <= 1 || o.Narrow < 0 || o.Bound <= 0 {
		return option.Bad("--from %g --to %g --factor %g --narrow %d --bound %s: give rising rates and a bound greater than 0, and a factor greater than 1",
			o.From, o.Upto, o.Factor, o.Narrow, o.Bound)
	}
	return o.flood(o.Upto).check()
}

// Run runs the scenario.
func (o Rate) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, f, err := load.Begin(&cfg, "rate", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r.Rate = &report.RateResult{Bound: stat.MS(int64(o.Bound)), Steps: []report.FloodResult{}}
	defer load.StartSampling(r, f, server)()
	if err = o.climb(ctx, f, server, r); err == nil {
		r.Note("%s", r.Rate)
	}
	return r, err
}

// climb runs the steps.
func (o Rate) climb(ctx context.Context, f *load.Local, server proc.Process, r *report.Report) error {
	for rate, narrow := o.From, 0; ; {
		if err := f.MustOpen(ctx, r); err != nil { // the server may have closed clients in a step above the bound
			return err
		}
		res, why, err := o.flood(rate).step(ctx, f, server, rate, r)
		if r.Interrupted = ctx.Err() != nil; r.Interrupted {
			return nil // half a step has no meaning
		}
		if err != nil {
			return err
		}
		r.Rate.Take(res, why, r)
		if r.Rate.Broke == 0 {
			if rate >= o.Upto {
				return nil
			}
			rate = min(rate*o.Factor, o.Upto)
			continue
		}
		if narrow++; narrow > o.Narrow || r.Rate.Held == 0 {
			return nil
		}
		rate = math.Round(math.Sqrt(r.Rate.Held * r.Rate.Broke)) // the geometric mean
		if rate <= r.Rate.Held || rate >= r.Rate.Broke {
			return nil
		}
	}
}
