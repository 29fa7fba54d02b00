package bench

import (
	"context"
	"fmt"
	"time"
)

// Idle opens clients that do nothing, and weighs the server and the kernel at two or more counts of them: the slope is what a client costs. Then it holds them for
// a time and takes the CPU that their heartbeats cost.
type Idle struct {
	Clients []int         `default:"1280,12000" help:"Counts at which the server is weighed, rising."`
	Members int           `default:"0" help:"Clients of a room: they are in rooms of so many; 0: all are in one room. The difference is what the rooms cost."`
	Hold    time.Duration `default:"60s" help:"How long to hold all of them, for the CPU that heartbeats cost: at least twice the server's ping interval. 0s: not at all."`
}

// IdleStep is the server at one count.
type IdleStep struct {
	Clients int     `json:"clients"`
	PSS     int64   `json:"server_pss_bytes"`
	Kernel  int64   `json:"kernel_bytes"`    // of the whole machine, more than before the first client
	Seconds float64 `json:"connect_seconds"` // for those that came in this step
	PerSec  float64 `json:"connects_per_s"`
}

// IdleResult is what idle clients cost.
type IdleResult struct {
	Before    int64          `json:"server_pss_bytes_before"`
	Steps     []IdleStep     `json:"steps"`
	PerClient float64        `json:"bytes_per_client"`        // between the first and the last step
	Kernel    float64        `json:"kernel_bytes_per_client"` // as well; both ends of the connection, if both are on this machine
	Gone      int            `json:"gone"`                    // clients that the server closed
	Failures  map[string]int `json:"failures"`
	Hold      *IdleHold      `json:"hold,omitempty"`
}

// IdleHold is the time in which nothing happened but heartbeats.
type IdleHold struct {
	Seconds   float64 `json:"seconds"`
	Clients   int     `json:"clients"`
	Pings     int64   `json:"pings"`           // that clients got and answered
	PingEvery float64 `json:"ping_interval_s"` // of a client, so counted; 0: no ping came
	CPU       float64 `json:"server_cpu_us_per_client_and_s"`
	Server    float64 `json:"server_cores"`
	Client    float64 `json:"client_cores"`
}

// Run weighs the server.
func (o Idle) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := newReport(&cfg, "idle", o)
	if err != nil {
		return nil, err
	}
	cfg.Members = o.Members
	l, err := newLoad(cfg, o.Clients[len(o.Clients)-1])
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer r.sample(l, server)()
	r.Idle = &IdleResult{Before: server.pss()}
	err = o.measure(ctx, cfg, l, server, r)
	r.Idle.finish(l)
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	} else if missing := o.Clients[len(o.Clients)-1] - l.Open() - l.Gone(); err == nil && missing > 0 {
		err = absentees(missing, l)
	}
	r.agreed(l)
	return r, err
}

func (o Idle) check() error {
	for i, n := range o.Clients {
		if n <= 0 || i > 0 && n <= o.Clients[i-1] {
			return badOption("--clients %v: give counts that rise", o.Clients)
		}
	}
	if len(o.Clients) == 0 {
		return badOption("--clients: give one count at least")
	}
	if o.Members < 0 {
		return badOption("--members %d: give a number of zero or more", o.Members)
	}
	if o.Hold < 0 {
		return badOption("--hold %s: give a time of zero or more", o.Hold)
	}
	return nil
}

// measure takes the steps, and then holds.
func (o Idle) measure(ctx context.Context, cfg Config, c load, server process, r *Report) error {
	from, kernel := 0, kernelNow()
	for _, n := range o.Clients {
		step, err := weigh(ctx, cfg, c, server, from, n)
		if err != nil {
			return err
		}
		step.Kernel = kernelNow().Sum() - kernel.Sum()
		r.Idle.Steps = append(r.Idle.Steps, step)
		from = n
	}
	if o.Hold > 0 {
		hold, err := holdStill(ctx, cfg, c, server, o.Hold)
		r.Idle.Hold = &hold
		if hold.Pings == 0 && err == nil {
			r.note("no ping came in %s: the idle CPU is without heartbeats; give a --hold longer than the server's ping interval", o.Hold)
		}
		return err
	}
	return faultOf(c)
}

// holdStill waits, and takes the CPU meanwhile.
func holdStill(ctx context.Context, cfg Config, c load, server process, hold time.Duration) (h IdleHold, err error) {
	pings, cpu, client, at := c.pings(), server.cpu(), c.cpu(), now()
	err = pause(ctx, cfg, "holding them", hold)
	h = IdleHold{Clients: c.Open(), Pings: c.pings() - pings, Seconds: float64(now()-at) / 1e9}
	h.Server, h.Client = float64(server.cpu()-cpu)/1e9/h.Seconds, float64(c.cpu()-client)/1e9/h.Seconds
	h.CPU = h.Server * 1e6 / float64(max(1, h.Clients))
	if h.Pings > 0 {
		h.PingEvery = h.Seconds * float64(h.Clients) / float64(h.Pings)
	}
	if err == nil {
		err = faultOf(c)
	}
	return h, err
}

// weigh dials the clients [from, to), lets the server settle, and weighs it.
func weigh(ctx context.Context, cfg Config, c load, server process, from, to int) (IdleStep, error) {
	start := time.Now()
	_, err := c.Dial(ctx, from, to)
	took := time.Since(start).Seconds()
	if err != nil {
		return IdleStep{}, err
	}
	if c.Open() == 0 {
		return IdleStep{}, absentees(to, c)
	}
	err = pause(ctx, cfg, "letting the server settle", cfg.settle())
	return IdleStep{Clients: c.Open(), PSS: server.pss(), Seconds: took, PerSec: float64(to-from) / took}, err
}

func (r *IdleResult) finish(c load) {
	r.Failures, r.Gone = handshakeFailures(c.Failures()), c.Gone()
	if n := len(r.Steps); n > 0 {
		a, b := IdleStep{PSS: r.Before}, r.Steps[n-1]
		if n > 1 {
			a = r.Steps[0]
		}
		r.PerClient = float64(b.PSS-a.PSS) / float64(max(1, b.Clients-a.Clients))
		r.Kernel = float64(b.Kernel-a.Kernel) / float64(max(1, b.Clients-a.Clients))
	}
}

func (r *IdleResult) rows() [][]string {
	rows := [][]string{{"clients", "server PSS MB", "kernel MB", "connects/s", "bytes/client", "kernel bytes/client", "failed", "closed by server"},
		{"0", cell(float64(r.Before) / 1e6), "", "", "", "", "", ""}}
	for i, s := range r.Steps {
		row := []string{fmt.Sprint(s.Clients), cell(float64(s.PSS) / 1e6), cell(float64(s.Kernel) / 1e6), cell(s.PerSec), "", "", "", ""}
		if i == len(r.Steps)-1 {
			failed := 0
			for _, n := range r.Failures {
				failed += n
			}
			row[4], row[5], row[6], row[7] = cell(r.PerClient), cell(r.Kernel), fmt.Sprint(failed), fmt.Sprint(r.Gone)
		}
		rows = append(rows, row)
	}
	return rows
}

func (h *IdleHold) rows() [][]string {
	if h == nil {
		return nil
	}
	every := "none came"
	if h.PingEvery > 0 {
		every = fmt.Sprintf("%.1f s", h.PingEvery)
	}
	return [][]string{{"held s", "clients", "pings", "a client's ping every", "server µs/s and client", "server cores", "client cores"},
		{cell(h.Seconds), fmt.Sprint(h.Clients), fmt.Sprint(h.Pings), every, cell(h.CPU), cell(h.Server), cell(h.Client)}}
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
