package bench

import (
	"context"
	"fmt"
	"time"
)

// Idle opens clients that do nothing, and weighs the server at two or more counts of them: the slope is what a client costs.
type Idle struct {
	Clients []int `default:"1280,12000" help:"Counts at which the server is weighed, rising."`
}

// IdleStep is the server at one count.
type IdleStep struct {
	Clients int     `json:"clients"`
	PSS     int64   `json:"server_pss_bytes"`
	Seconds float64 `json:"connect_seconds"` // for those that came in this step
	PerSec  float64 `json:"connects_per_s"`
}

// IdleResult is what idle clients cost.
type IdleResult struct {
	Before    int64          `json:"server_pss_bytes_before"`
	Steps     []IdleStep     `json:"steps"`
	PerClient float64        `json:"bytes_per_client"` // between the first and the last step
	Gone      int            `json:"gone"`             // clients that the server closed
	Failures  map[string]int `json:"failures"`
	Usage     Usage          `json:"usage"`
}

// Run weighs the server.
func (o Idle) Run(ctx context.Context, cfg Config) (*Report, error) {
	for i, n := range o.Clients {
		if n <= 0 || i > 0 && n <= o.Clients[i-1] {
			return nil, badOption("--clients %v: give counts that rise", o.Clients)
		}
	}
	if len(o.Clients) == 0 {
		return nil, badOption("--clients: give one count at least")
	}
	r, server, err := newReport(&cfg, "idle", o)
	if err != nil {
		return nil, err
	}
	crowd, done, err := newCrowd(cfg, o.Clients[len(o.Clients)-1])
	if err != nil {
		return nil, err
	}
	defer done()
	r.Idle = &IdleResult{Before: server.pss()}
	from := 0
	for _, n := range o.Clients {
		step, err := weigh(ctx, cfg, crowd, server, from, n)
		if err != nil {
			r.Interrupted = ctx.Err() != nil
			r.Idle.finish(crowd)
			return r, err
		}
		r.Idle.Steps = append(r.Idle.Steps, step)
		from = n
	}
	r.Idle.finish(crowd)
	if f, ok := crowd.(*Fleet); ok {
		r.agreed(f)
	}
	return r, nil
}

// crowd is clients that can only be there: a Fleet, or goroutines with TLS.
type crowd interface {
	Dial(ctx context.Context, from, to int) (failed int, err error)
	Open() int
	Failures() map[string]int
	Gone() int
}

// newCrowd makes n clients, of the kind that the URL asks for.
func newCrowd(cfg Config, n int) (c crowd, done func(), err error) {
	t, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, nil, err
	}
	if err := cfg.checkDialect(t); err != nil {
		return nil, nil, err
	}
	if t.tls {
		f := newTLSFleet(cfg, t, n)
		return f, f.Close, nil
	}
	f, err := NewFleet(cfg, n, cfg.Receivers)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// Gone returns how many open clients the server has closed, or the network has.
func (f *Fleet) Gone() int { return int(f.lost.Load()) }

// weigh dials the clients [from, to), lets the server settle, and weighs it.
func weigh(ctx context.Context, cfg Config, c crowd, server process, from, to int) (IdleStep, error) {
	start := time.Now()
	_, err := c.Dial(ctx, from, to)
	took := time.Since(start).Seconds()
	if err != nil {
		return IdleStep{}, err
	}
	if c.Open() == 0 {
		return IdleStep{}, fmt.Errorf("no client could connect: %v", c.Failures())
	}
	err = pause(ctx, cfg, "letting the server settle", cfg.settle())
	return IdleStep{Clients: c.Open(), PSS: server.pss(), Seconds: took, PerSec: float64(to-from) / took}, err
}

func (r *IdleResult) finish(c crowd) {
	r.Failures, r.Gone = c.Failures(), c.Gone()
	if n := len(r.Steps); n > 1 {
		a, b := r.Steps[0], r.Steps[n-1]
		r.PerClient = float64(b.PSS-a.PSS) / float64(max(1, b.Clients-a.Clients))
	}
}

func (r *IdleResult) rows() [][]string {
	rows := [][]string{{"clients", "server PSS MB", "connects/s", "bytes/client", "failed", "closed by server"}, {"0", cell(float64(r.Before) / 1e6), "", "", "", ""}}
	for i, s := range r.Steps {
		row := []string{fmt.Sprint(s.Clients), cell(float64(s.PSS) / 1e6), cell(s.PerSec), "", "", ""}
		if i == len(r.Steps)-1 {
			failed := 0
			for _, n := range r.Failures {
				failed += n
			}
			row[3], row[4], row[5] = cell(r.PerClient), fmt.Sprint(failed), fmt.Sprint(r.Gone)
		}
		rows = append(rows, row)
	}
	return rows
}

// pause waits, with progress.
func pause(ctx context.Context, cfg Config, what string, d time.Duration) error {
	start := time.Now()
	for {
		spent := time.Since(start)
		cfg.progress(what, int(min(spent, d).Milliseconds()), int(d.Milliseconds()))
		if spent >= d {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(100*time.Millisecond, d-spent)):
		}
	}
}
