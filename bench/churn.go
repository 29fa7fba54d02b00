package bench

import (
	"context"
	"time"
)

// Churn lets clients come and go while messages flow, and checks those who stay.
type Churn struct {
	Clients int           `default:"500" help:"Clients that stay."`
	Senders int           `default:"20" help:"How many of them send."`
	Rate    float64       `default:"100" help:"Messages a second, of all senders together."`
	Comers  float64       `default:"100" help:"Clients that come a second."`
	Stay    time.Duration `default:"2s" help:"And go after this time: one half by a close frame, the other by a reset."`
	Seconds float64       `default:"10" help:"Length of the load."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	Grace   time.Duration `default:"15s" help:"How long to wait for what is under way when the load ends."`
}

// ChurnResult is the load on those who stayed, those who came, and what grew.
type ChurnResult struct {
	Stayers FloodResult  `json:"stayers"`
	Comers  ComersResult `json:"comers"`
	Drift   Drifts       `json:"drift"`
}

func (o Churn) flood() Flood {
	return Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: o.Seconds, Size: o.Size, Grace: o.Grace}
}

// Run measures.
func (o Churn) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.flood().check(); err != nil {
		return nil, err
	}
	if err := checkComers(o.Comers, o.Stay); err != nil {
		return nil, err
	}
	r, server, f, err := begin(&cfg, "churn", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.mustOpen(ctx, r); err != nil {
		return r, err
	}
	come, err := startComers(cfg, o.Comers, o.Stay)
	if err != nil {
		return r, err
	}
	sampled := r.sample(f, server)
	r.Churn = &ChurnResult{}
	r.Churn.Stayers, r.LimitedBy, err = o.flood().step(ctx, f, server, o.Rate, r)
	sampled()
	r.Churn.Comers, r.Churn.Drift = come.end(), drifts(r.Samples)
	r.LimitedBy = append([]string{}, r.LimitedBy...) // [] in JSON, not null
	r.Interrupted = ctx.Err() != nil
	return r, err
}

func (r *ChurnResult) rows() [][]string { return floodRows([]FloodResult{r.Stayers}) }
