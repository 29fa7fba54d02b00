package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Big lets each client, in a room of its own, send one big message and get it back, and weighs the server before and some time after: what a buffer
// that once was big goes on costing.
type Big struct {
	Clients int           `default:"500" help:"Clients."`
	Size    Size          `default:"61440" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	After   time.Duration `default:"10s" help:"When to weigh the server again."`
}

// BigResult is what stays.
type BigResult struct {
	Clients   int     `json:"clients"`
	Echoed    int     `json:"echoed"`
	Before    int64   `json:"server_pss_bytes_before"`
	AtEcho    int64   `json:"server_pss_bytes_at_echo"`
	After     int64   `json:"server_pss_bytes_after"`
	PerClient float64 `json:"bytes_per_client"`
}

// Run measures.
func (o Big) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.Size.check(); err != nil {
		return nil, err
	}
	r, server, f, err := begin(&cfg, "big", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	echoes := &echoSink{tag: newTag()}
	for i, c := range f.clients {
		c.path, c.sink = fmt.Sprintf("/room-%d", i), echoes
	}
	if err := f.mustOpen(ctx, r); err != nil {
		return r, err
	}
	defer r.sample(f, server)()
	res := &BigResult{Clients: f.Open()}
	r.Big = res
	if err = pause(ctx, cfg, "letting the server settle", cfg.settle()); err == nil {
		res.Before = server.pss()
		err = o.echo(ctx, f, echoes)
		res.Echoed, res.AtEcho = int(echoes.own.Load()), server.pss()
	}
	if err == nil {
		err = pause(ctx, cfg, "idle again", o.After)
		res.After = server.pss()
		res.PerClient = float64(res.After-res.Before) / float64(max(1, res.Clients))
	}
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	if res.Echoed < res.Clients {
		r.note("%d of %d clients got their message back", res.Echoed, res.Clients)
	}
	if n := echoes.others.Load(); n > 0 {
		r.note("clients got %d messages that were not theirs: the server's rooms are not its paths", n)
	}
	return r, err
}

// echoSink counts the clients' own messages that come back, and all others.
type echoSink struct {
	tag         uint64
	own, others atomic.Int64
}

func (s *echoSink) data(c *client, b []byte, _ int64) error {
	return c.events(b, func(ev Event) {
		if seq, tag := stampOf(&ev.Head); tag == s.tag && int(seq) == c.index {
			s.own.Add(1)
		} else {
			s.others.Add(1)
		}
	})
}

// echo sends from all clients and waits until as many messages have come, or nothing comes for the timeout.
func (o Big) echo(ctx context.Context, f *Fleet, echoes *echoSink) error {
	for _, c := range f.clients {
		c.send(newTemplate(o.Size, echoes.tag, c).number(uint32(c.index)))
	}
	last, since := int64(0), time.Now()
	for {
		got := echoes.own.Load()
		if got >= int64(len(f.clients)) || time.Since(since) > f.cfg.timeout() {
			return nil
		}
		if got != last {
			last, since = got, time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

func (r *BigResult) rows() [][]string {
	return [][]string{{"clients", "echoed", "PSS MB before", "at the echo", "after", "bytes/client"},
		{fmt.Sprint(r.Clients), fmt.Sprint(r.Echoed), cell(float64(r.Before) / 1e6), cell(float64(r.AtEcho) / 1e6), cell(float64(r.After) / 1e6), fmt.Sprintf("%.0f", r.PerClient)}}
}
