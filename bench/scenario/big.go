package scenario

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// Big measures the memory that remains after big messages: each client, alone in its room, sends one big message and
// receives it. Big reads the server's memory before, and some time after.
type Big struct {
	Clients int           `default:"500" help:"Number of clients."`
	Size    option.Size   `default:"61440" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	After   time.Duration `default:"10s" help:"Pause before reading the server's memory again."`
}

// Run runs the scenario.
func (o Big) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.Size.Check(); err != nil {
		return nil, err
	}
	r, server, f, err := load.Begin(&cfg, "big", o, o.Clients)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	echoes := &echoSink{tag: stamp.NewTag()}
	for i, c := range f.Clients {
		c.Room, c.Sink = fmt.Sprintf("/room-%d", i), echoes
	}
	if err := f.MustOpen(ctx, r); err != nil {
		return r, err
	}
	defer load.StartSampling(r, f, server)()
	res := &report.BigResult{Clients: f.Open()}
	r.Big = res
	if err = pause(ctx, cfg, "letting the server settle", cfg.SettleTime()); err == nil {
		res.Before = server.PSS()
		err = o.echo(ctx, f, echoes)
		res.Echoed, res.AtEcho = int(echoes.own.Load()), server.PSS()
	}
	if err == nil {
		err = pause(ctx, cfg, "idle again", o.After)
		res.After = server.PSS()
		res.PerClient = float64(res.After-res.Before) / float64(max(1, res.Clients))
	}
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	if res.Echoed < res.Clients {
		r.Note("%d of %d clients received their message", res.Echoed, res.Clients)
	}
	if n := echoes.others.Load(); n > 0 {
		r.Note("clients received %d messages of others: the server does not use the path as the room", n)
	}
	return r, err
}

// echoSink counts the clients' own messages, and all others.
type echoSink struct {
	tag         uint64
	own, others atomic.Int64
}

func (s *echoSink) Data(c *client.Client, b []byte, _ int64) error {
	return c.Events(b, func(ev ws.Event) {
		if seq, tag := stamp.Read(&ev.Head); tag == s.tag && int(seq) == c.Index {
			s.own.Add(1)
		} else {
			s.others.Add(1)
		}
	})
}

// echo sends from all clients and waits until all have received their message, or until none has come for Config.Timeout.
func (o Big) echo(ctx context.Context, f *load.Local, echoes *echoSink) error {
	for _, c := range f.Clients {
		c.Send(load.NewTemplate(o.Size, echoes.tag, c.Format()).Number(uint32(c.Index)))
	}
	last, since := int64(0), time.Now()
	for {
		got := echoes.own.Load()
		if got >= int64(len(f.Clients)) || time.Since(since) > f.Config().ReplyTimeout() {
			return nil
		}
		if got != last {
			last, since = got, time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(load.PollEvery):
		}
	}
}
