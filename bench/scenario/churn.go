package scenario

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
)

// Churn lets transient clients connect and leave while messages flow, and checks the clients that stay.
type Churn struct {
	Clients int           `default:"500" help:"Number of clients that stay."`
	Senders int           `default:"20" help:"Number of clients that send."`
	Rate    float64       `default:"100" help:"Messages per second of all senders together."`
	Comers  float64       `default:"100" help:"Transient clients that connect per second."`
	Stay    time.Duration `default:"2s" help:"How long a transient client stays. One half then sends a close frame; the other half is cut by a reset."`
	Seconds float64       `default:"10" help:"Length of the load in seconds."`
	Size    option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Grace   time.Duration `default:"15s" help:"Maximum wait for late messages after the load."`
}

func (o Churn) flood() Flood {
	return Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: o.Seconds, Size: o.Size, Grace: o.Grace}
}

// Run runs the scenario.
func (o Churn) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.flood().check(); err != nil {
		return nil, err
	}
	if err := checkTransients(o.Comers, o.Stay); err != nil {
		return nil, err
	}
	r, server, f, err := load.Begin(&cfg, "churn", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.MustOpen(ctx, r); err != nil {
		return r, err
	}
	come, err := startTransients(cfg, o.Comers, o.Stay)
	if err != nil {
		return r, err
	}
	sampled := load.StartSampling(r, f, server)
	r.Churn = &report.ChurnResult{}
	r.Churn.Stayers, r.LimitedBy, err = o.flood().step(ctx, f, server, o.Rate, r)
	sampled()
	r.Churn.Transients, r.Churn.Drift = come.end(), report.DriftsOf(r.Samples)
	r.LimitedBy = append([]string{}, r.LimitedBy...) // [] in JSON, not null
	r.Interrupted = ctx.Err() != nil
	return r, err
}
