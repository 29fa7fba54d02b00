package scenario

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Slow floods a room in which some clients never read. Before that, it floods the same room without them.
type Slow struct {
	Clients int         `default:"500" help:"Number of clients in the room, including those that never read."`
	Stuck   int         `default:"10" help:"Number of clients that never read."`
	Senders int         `default:"20" help:"Number of clients that send."`
	Rate    float64     `default:"100" help:"Messages per second."`
	Size    option.Size `default:"4096" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Seconds float64     `default:"20" help:"Length of each of the two loads in seconds."`
}

// Run runs the scenario.
func (o Slow) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	check := Flood{Clients: o.Clients - o.Stuck, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: o.Seconds, Size: o.Size}
	if err := check.check(); err != nil {
		return nil, err
	}
	if o.Stuck < 1 {
		return nil, option.Bad("--stuck %d: give at least 1", o.Stuck)
	}
	r, server, err := load.NewReport(&cfg, "slow", o)
	if err != nil {
		return nil, err
	}
	r.Slow = &report.SlowResult{Codes: map[int]int{}}
	if err := o.side(ctx, cfg, server, r, 0, &r.Slow.Without); err != nil || r.Interrupted {
		return r, err
	}
	if err := o.side(ctx, cfg, server, r, o.Stuck, &r.Slow.With); err != nil {
		return r, err
	}
	r.Slow.Finish(float64(o.Stuck))
	return r, nil
}

// side floods the room with so many stuck clients.
func (o Slow) side(ctx context.Context, cfg client.Config, server proc.Process, r *report.Report, stuck int, res *report.SlowSide) error {
	f, err := load.NewLocal(cfg, o.Clients, cfg.Receivers)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.MustOpen(ctx, r); err != nil {
		return err
	}
	defer load.StartSampling(r, f, server)()
	readers := f.Clients[:o.Clients-stuck]
	f.Each(func(c *client.Client) { c.Stuck = c.Index >= len(readers) })
	if pause(ctx, cfg, "letting the server settle", cfg.SettleTime()) != nil {
		r.Interrupted = true
		return nil
	}
	res.PSSStart = server.PSS()
	peak := watchPSS(server, time.Second)
	guard := load.StartGuard(f, server)
	run := load.StartFlood(f, load.NewSchedule(stat.Now()+50e6, o.Rate, o.Seconds, o.Senders), o.Size, 0, readers)
	run.Wait(ctx, f, len(readers), 10*time.Second, fmt.Sprintf("%d stuck clients", stuck))
	usage := guard.Usage()
	guard.Remark(r, usage)
	res.PSSPeak, res.PSSEnd = peak(), server.PSS()
	sum := run.Collect()
	res.Latency, res.Lost = sum.Hist.Latency(), int64(sum.Sent)*int64(len(readers))-sum.Received.Load()
	f.Each(func(c *client.Client) { // one receiver after another
		if c.Index < len(readers) && c.IsAbsent() {
			res.Gone++
		}
	})
	r.Interrupted = ctx.Err() != nil
	r.LimitedBy = append(r.LimitedBy, usage.ClientLimits(sum.Lag, sum.Hist.Quantile(.99))...)
	if stuck > 0 && !r.Interrupted {
		outcomes(ctx, r.Slow, f, len(readers))
	}
	return nil
}

// watchPSS reads the server's memory repeatedly until peak is called, which returns the maximum.
func watchPSS(server proc.Process, every time.Duration) (peak func() int64) {
	var most atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			most.Store(max(most.Load(), server.PSS()))
			select {
			case <-stop:
				return
			case <-time.After(every):
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-done
		return max(most.Load(), server.PSS())
	}
}

// outcomes lets the stuck clients read at last, because a close frame behind unread bytes shows only then.
func outcomes(ctx context.Context, r *report.SlowResult, f *load.Local, readers int) {
	f.Each(func(c *client.Client) {
		if c.Stuck && c.IsOpen() {
			c.CatchUp()
		}
	})
	_ = pause(ctx, f.Config(), "waiting for the outcome of the stuck clients", f.Config().SettleTime())
	f.Each(func(c *client.Client) {
		if c.Index < readers {
			return
		}
		if c.IsOpen() {
			r.Left++
			return
		}
		r.Closed++
		r.Codes[c.CloseCode]++
	})
}
