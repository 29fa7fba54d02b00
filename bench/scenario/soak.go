package scenario

import (
	"context"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
)

// Soak runs a mixed load for hours: a room with a steady load, transient clients in it, and idle clients in another room.
// It looks for growth.
type Soak struct {
	For     time.Duration `default:"1h" help:"Length of the run."`
	Clients int           `default:"500" help:"Number of clients in the room that stay and are checked."`
	Senders int           `default:"10" help:"Number of clients that send."`
	Rate    float64       `default:"50" help:"Messages per second."`
	Comers  float64       `default:"10" help:"Transient clients that connect to the room per second."`
	Stay    time.Duration `default:"10s" help:"How long a transient client stays."`
	Idle    int           `default:"500" help:"Number of idle clients in another room."`
	Size    option.Size   `default:"64-512:95,8192:5" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Segment time.Duration `default:"1m" help:"Length of a segment; each segment is checked on its own."`
	Grace   time.Duration `default:"15s" help:"Maximum wait for late messages after a segment."`
}

func (o Soak) flood(d time.Duration) Flood {
	return Flood{Clients: o.Clients, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: d.Seconds(), Size: o.Size, Grace: o.Grace}
}

func (o Soak) check() error {
	if o.For <= 0 || o.Segment <= 0 || o.Idle < 0 {
		return option.Bad("--for %s --segment %s --idle %d: give times greater than 0, and at least 0 idle clients", o.For, o.Segment, o.Idle)
	}
	if err := checkTransients(o.Comers, o.Stay); err != nil {
		return err
	}
	return o.flood(min(o.For, o.Segment)).check()
}

// Run runs the scenario.
func (o Soak) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, f, err := load.Begin(&cfg, "soak", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	idle, err := load.NewLocal(cfg, o.Idle+1, 1) // one more, because a fleet needs a client
	if err != nil {
		return nil, err
	}
	defer idle.Close()
	for _, c := range idle.Clients {
		c.Room = "/soak-idle"
	}
	for _, f := range []*load.Local{idle, f} {
		if err := f.MustOpen(ctx, r); err != nil {
			return r, err
		}
	}
	come, err := startTransients(cfg, o.Comers, o.Stay)
	if err != nil {
		return r, err
	}
	sampled := load.StartSampling(r, f, server)
	r.Soak = &report.SoakResult{Segments: []report.FloodResult{}}
	err = o.segments(ctx, f, server, r)
	sampled()
	r.Soak.Transients, r.Soak.Drift, r.Soak.IdleGone = come.end(), report.DriftsOf(r.Samples), idle.Gone()
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	return r, err
}

// segments floods until the time is over. Between two segments, it reconnects clients that the server has closed.
func (o Soak) segments(ctx context.Context, f *load.Local, server proc.Process, r *report.Report) error {
	start, show := time.Now(), f.Config().Progress
	f.ShowProgress(func(string, int, int) { // the progress is that of the whole run
		if show != nil {
			show("soak, seconds", int(time.Since(start).Seconds()), int(o.For.Seconds()))
		}
	})
	for ctx.Err() == nil {
		left := o.For - time.Since(start)
		if left < o.Segment/10 && len(r.Soak.Segments) > 0 {
			return nil
		}
		if err := f.MustOpen(ctx, r); err != nil {
			return fmt.Errorf("after %s: %w", time.Since(start).Round(time.Second), err)
		}
		res, why, err := o.flood(max(min(left, o.Segment), o.Segment/10)).step(ctx, f, server, o.Rate, r)
		r.Soak.Take(res)
		for _, w := range why {
			r.LimitedBy = append(r.LimitedBy, fmt.Sprintf("in segment %d %s", len(r.Soak.Segments), w))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
