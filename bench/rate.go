package bench

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Rate floods a room faster and faster until a bound breaks, and narrows down where.
type Rate struct {
	Clients int           `default:"1000" help:"Clients in the room."`
	Senders int           `default:"20" help:"How many of them send."`
	From    float64       `default:"100" help:"Messages a second of the first step."`
	Upto    float64       `default:"100000" help:"Where to stop if nothing breaks." name:"to"`
	Factor  float64       `default:"2" help:"Each step is this many times the one before."`
	Narrow  int           `default:"3" help:"Steps between the last that held and the first that did not."`
	Bound   time.Duration `default:"100ms" help:"What the 99th percentile of the latency must not exceed; nor may anything be lost, or come twice or in a wrong order."`
	Seconds float64       `default:"4" help:"Length of each step."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	Grace   time.Duration `default:"15s" help:"How long to wait for what is under way when a step ends."`
}

// RateResult says where the bound broke.
type RateResult struct {
	Bound float64       `json:"bound_p99_ms"`
	Held  float64       `json:"held_msg_per_s"`  // the highest rate at which the bound held; 0: none did
	Broke float64       `json:"broke_msg_per_s"` // the lowest at which it did not; 0: it held everywhere
	Why   string        `json:"why"`             // it did not
	Steps []FloodResult `json:"steps"`
}

func (o Rate) flood(rate float64) Flood {
	return Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{rate}, Seconds: o.Seconds, Size: o.Size, Grace: o.Grace}
}

func (o Rate) check() error {
	if o.From <= 0 || o.Upto < o.From || o.Factor <= 1 || o.Narrow < 0 || o.Bound <= 0 {
		return badOption("--from %g --to %g --factor %g --narrow %d --bound %s: give rates over zero that rise, a factor over 1, a bound over zero",
			o.From, o.Upto, o.Factor, o.Narrow, o.Bound)
	}
	return o.flood(o.Upto).check()
}

// Run measures.
func (o Rate) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, f, err := begin(&cfg, "rate", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r.Rate = &RateResult{Bound: ms(int64(o.Bound)), Steps: []FloodResult{}}
	defer r.sample(f, server)()
	if err = o.climb(ctx, f, server, r); err == nil {
		r.note("%s", r.Rate)
	}
	return r, err
}

// climb takes the steps.
func (o Rate) climb(ctx context.Context, f *Fleet, server process, r *Report) error {
	for rate, narrow := o.From, 0; ; {
		if err := f.mustOpen(ctx, r); err != nil { // after a step that broke, clients may be gone
			return err
		}
		res, why, err := o.flood(rate).step(ctx, f, server, rate, r)
		if r.Interrupted = ctx.Err() != nil; r.Interrupted {
			return nil // half a step says nothing
		}
		if err != nil {
			return err
		}
		r.Rate.take(res, why, r)
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
		rate = math.Round(math.Sqrt(r.Rate.Held * r.Rate.Broke)) // the middle, as rates go
		if rate <= r.Rate.Held || rate >= r.Rate.Broke {
			return nil
		}
	}
}

// take judges a step. limits are the guard's reasons: they concern the step where it broke only, then the answer is the client's.
func (r *RateResult) take(s FloodResult, limits []string, report *Report) {
	r.Steps = append(r.Steps, s)
	why := r.broken(s)
	if why == "" {
		r.Held = max(r.Held, s.Rate)
		return
	}
	r.Broke, r.Why = s.Rate, why
	report.LimitedBy = report.LimitedBy[:0]
	for _, l := range limits {
		report.LimitedBy = append(report.LimitedBy, fmt.Sprintf("at %g msg/s, where it broke, %s", s.Rate, l))
	}
}

// broken says what of a step was out of bounds; empty: nothing.
func (r *RateResult) broken(s FloodResult) string {
	switch {
	case s.Lost > 0:
		return fmt.Sprintf("%d of %d deliveries were lost", s.Lost, s.Expected)
	case s.Gone > 0:
		return fmt.Sprintf("the server closed %d clients", s.Gone)
	case s.Duplicates > 0 || s.Reordered > 0:
		return fmt.Sprintf("%d deliveries came twice, %d in a wrong order", s.Duplicates, s.Reordered)
	case s.Latency.P99 > r.Bound:
		return fmt.Sprintf("p99 was %s ms", cell(s.Latency.P99))
	}
	return ""
}

// String is the verdict.
func (r *RateResult) String() string {
	held := fmt.Sprintf("p99 stayed within %g ms up to %g msg/s", r.Bound, r.Held)
	if r.Held == 0 {
		held = fmt.Sprintf("p99 never stayed within %g ms: give a lower --from", r.Bound)
	}
	if r.Broke == 0 {
		return held + " and never broke: give a higher --to"
	}
	return held + fmt.Sprintf("; at %g msg/s %s", r.Broke, r.Why)
}

func (r *RateResult) rows() [][]string { return floodRows(r.Steps) }
