package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Slow floods a room in which some clients never read, and the same room without them first.
type Slow struct {
	Clients int     `default:"500" help:"Clients in the room, the stuck ones included."`
	Stuck   int     `default:"10" help:"How many of them never read."`
	Senders int     `default:"20" help:"How many send."`
	Rate    float64 `default:"100" help:"Messages a second."`
	Size    Size    `default:"4096" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	Seconds float64 `default:"20" help:"Length of each of the two loads."`
}

// SlowSide is the load with or without stuck clients; the latency is that of those who read.
type SlowSide struct {
	Latency  Latency `json:"latency"`
	Lost     int64   `json:"lost"`
	Gone     int     `json:"gone"` // readers that the server closed
	PSSStart int64   `json:"server_pss_bytes_before"`
	PSSPeak  int64   `json:"server_pss_bytes_peak"`
	PSSEnd   int64   `json:"server_pss_bytes_end"`
}

// SlowResult compares them, and says what became of the stuck.
type SlowResult struct {
	Without      SlowSide    `json:"without"`
	With         SlowSide    `json:"with"`
	PeakPerStuck float64     `json:"peak_bytes_per_stuck"` // peak with less peak without, each over its own start
	EndPerStuck  float64     `json:"end_bytes_per_stuck"`
	Closed       int         `json:"stuck_closed"` // by the server
	Left         int         `json:"stuck_left"`   // still connected at the end
	Codes        map[int]int `json:"stuck_close_codes"`
	P99Ratio     float64     `json:"p99_ratio"`
}

// Run measures.
func (o Slow) Run(ctx context.Context, cfg Config) (*Report, error) {
	check := Flood{Clients: o.Clients - o.Stuck, Senders: o.Senders, Rate: []float64{o.Rate}, Seconds: o.Seconds, Size: o.Size}
	if err := check.check(); err != nil {
		return nil, err
	}
	if o.Stuck < 1 {
		return nil, badOption("--stuck %d: give one at least", o.Stuck)
	}
	r, server, err := newReport(&cfg, "slow", o)
	if err != nil {
		return nil, err
	}
	r.Slow = &SlowResult{Codes: map[int]int{}}
	if err := o.side(ctx, cfg, server, r, 0, &r.Slow.Without); err != nil || r.Interrupted {
		return r, err
	}
	if err := o.side(ctx, cfg, server, r, o.Stuck, &r.Slow.With); err != nil {
		return r, err
	}
	r.Slow.finish(float64(o.Stuck))
	return r, nil
}

// side floods with stuck clients that do not read.
func (o Slow) side(ctx context.Context, cfg Config, server process, r *Report, stuck int, res *SlowSide) error {
	f, err := NewFleet(cfg, o.Clients, cfg.Receivers)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.mustOpen(ctx, r); err != nil {
		return err
	}
	defer r.sample(f, server)()
	readers := f.clients[:o.Clients-stuck]
	f.each(func(c *client) { c.stuck = c.index >= len(readers) })
	if pause(ctx, cfg, "letting the server settle", cfg.settle()) != nil {
		r.Interrupted = true
		return nil
	}
	res.PSSStart = server.pss()
	peak := watchPSS(server, time.Second)
	guard := watch(f, server)
	run := startFlood(f, newSchedule(now()+50e6, o.Rate, o.Seconds, o.Senders), o.Size, 0, readers)
	run.wait(ctx, f, len(readers), 10*time.Second, fmt.Sprintf("%d stuck clients", stuck))
	usage := guard.usage()
	guard.remark(r, usage)
	res.PSSPeak, res.PSSEnd = peak(), server.pss()
	sum := run.collect()
	res.Latency, res.Lost = sum.hist.Latency(), int64(sum.sent)*int64(len(readers))-sum.received.Load()
	f.each(func(c *client) { res.note(c, len(readers)) })
	r.Interrupted = ctx.Err() != nil
	r.LimitedBy = append(r.LimitedBy, usage.judge(sum.lag, sum.hist.Quantile(.99))...)
	if stuck > 0 && !r.Interrupted {
		r.Slow.fates(ctx, f, len(readers))
	}
	return nil
}

// note counts the readers that have gone. Workers run it one after another.
func (s *SlowSide) note(c *client, readers int) {
	if c.index < readers && c.state.Load() == absent {
		s.Gone++
	}
}

// watchPSS weighs the server now and then until the function that it returns is called, which returns the largest weight.
func watchPSS(server process, every time.Duration) (peak func() int64) {
	var most atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			most.Store(max(most.Load(), server.pss()))
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
		return max(most.Load(), server.pss())
	}
}

// fates lets the stuck read at last: only then a close that waits behind their unread bytes can be seen.
func (r *SlowResult) fates(ctx context.Context, f *Fleet, readers int) {
	f.each(func(c *client) {
		if c.stuck && c.state.Load() == open {
			c.stuck = false
			c.w.read(c, true)
		}
	})
	_ = pause(ctx, f.cfg, "seeing what became of the stuck", f.cfg.settle())
	f.each(func(c *client) {
		if c.index < readers {
			return
		}
		if c.state.Load() == open {
			r.Left++
			return
		}
		r.Closed++
		r.Codes[c.code]++
	})
}

func (r *SlowResult) finish(stuck float64) {
	a, b := r.Without, r.With
	// Below zero is noise: a stuck client takes no memory away.
	r.PeakPerStuck = max(0, float64((b.PSSPeak-b.PSSStart)-(a.PSSPeak-a.PSSStart))/stuck)
	r.EndPerStuck = max(0, float64((b.PSSEnd-b.PSSStart)-(a.PSSEnd-a.PSSStart))/stuck)
	if a.Latency.P99 > 0 {
		r.P99Ratio = b.Latency.P99 / a.Latency.P99
	}
}

func (r *SlowResult) rows() [][]string {
	row := func(name string, s SlowSide) []string {
		return []string{name, cell(s.Latency.P50), cell(s.Latency.P99), cell(s.Latency.Max), fmt.Sprint(s.Lost), fmt.Sprint(s.Gone), cell(float64(s.PSSStart) / 1e6), cell(float64(s.PSSPeak) / 1e6), cell(float64(s.PSSEnd) / 1e6)}
	}
	return [][]string{{"readers", "p50 ms", "p99 ms", "max ms", "lost", "gone", "PSS MB before", "peak", "end"}, row("without stuck", r.Without), row("with stuck", r.With),
		{"p99 ratio", "", cell(r.P99Ratio), "", "", "", "", "", ""},
		{"bytes per stuck", "", "", "", "", "", "", figure(r.PeakPerStuck), figure(r.EndPerStuck)},
		{fmt.Sprintf("stuck: %d closed, %d left", r.Closed, r.Left), "", "", "", "", "", "", "", ""}}
}
