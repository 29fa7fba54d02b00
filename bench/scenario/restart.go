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
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// Restart kills the server and starts it again. Before, each room gets messages. After, all clients connect again as fast
// as possible, and ask for everything since they joined; so each has to get all these messages, in order.
type Restart struct {
	Clients int         `default:"19000" help:"Number of clients."`
	Members int         `default:"10" help:"Clients in each room; 0 means that all are in one room."`
	Missed  int         `default:"5" help:"Messages in each room that the clients recover."`
	Rounds  int         `default:"3" help:"Number of restarts."`
	Size    option.Size `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Server  string      `kong:"-"` // the command
}

func (o Restart) check(cfg client.Config) error {
	switch {
	case o.Server == "":
		return option.Bad("restart needs --cmd with a server that keeps messages")
	case !cfg.Centrifuge():
		return option.Bad("restart needs --dialect %s", client.Centrifuge)
	case o.Clients < 1 || o.Rounds < 1 || o.Missed < 1 || o.Members < 0:
		return option.Bad("--clients %d --rounds %d --missed %d --members %d: give at least 1, and no negative number", o.Clients, o.Rounds, o.Missed, o.Members)
	}
	return nil
}

// restartRun is a running Restart.
type restartRun struct {
	Restart
	*load.Local
	addr   string
	server *proc.Server
	result *report.RestartResult
}

// Run runs the scenario.
func (o Restart) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(cfg); err != nil {
		return nil, err
	}
	target, err := client.ParseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	run := &restartRun{Restart: o, addr: target.Addr.String(), result: &report.RestartResult{Rooms: 1}}
	if run.server, err = proc.StartServer(ctx, o.Server, run.addr); err != nil {
		return nil, err
	}
	defer func() { run.server.Stop() }()
	cfg.PID, cfg.Members = run.server.PID(), o.Members
	if o.Members > 0 {
		run.result.Rooms = (o.Clients + o.Members - 1) / o.Members
	}
	r, _, err := load.NewReport(&cfg, "restart", o)
	if err != nil {
		return nil, err
	}
	r.Restart = run.result
	if run.Local, err = load.NewLocal(cfg, o.Clients, option.OrDefault(cfg.Receivers, 2)); err != nil {
		return nil, err
	}
	defer run.Close()
	for range o.Rounds {
		if err := run.round(ctx, r); err != nil {
			r.Interrupted = ctx.Err() != nil
			return r, err
		}
	}
	return r, nil
}

// round lets all clients join, publishes, kills the server, starts it again, and lets all clients recover.
func (r *restartRun) round(ctx context.Context, rep *report.Report) (err error) {
	for _, c := range r.Local.Clients {
		c.Recovery = &client.Recovery{}
	}
	if err := r.MustOpen(ctx, rep); err != nil {
		return err
	}
	if err := r.publish(ctx); err != nil {
		return err
	}
	r.Ignore()
	for _, c := range r.Local.Clients {
		c.Recovery.Resume = true
	}
	r.server.Kill()
	for r.Open() > 0 && ctx.Err() == nil {
		time.Sleep(load.PollEvery)
	}
	began := stat.Now()
	if r.server, err = proc.StartServer(ctx, r.Server, r.addr); err != nil {
		return err
	}
	round := report.RestartRound{ServingSeconds: float64(stat.Now()-began) / 1e9}
	r.recover(ctx, &round)
	r.result.Rounds = append(r.result.Rounds, round)
	r.Reset() // the next round begins with new places
	return ctx.Err()
}

// recover connects all clients again, and fills in the rest of the round.
func (r *restartRun) recover(ctx context.Context, round *report.RestartRound) {
	began := stat.Now()
	for {
		failed, err := r.Dial(ctx, 0, len(r.Local.Clients))
		round.Failed += failed
		if failed == 0 || err != nil || stat.Now()-began > int64(r.Config().ReplyTimeout()) {
			break
		}
		stat.SleepUntil(stat.Now() + int64(retryEvery))
	}
	if server, err := proc.Tree(r.server.PID()); err == nil {
		round.CPU = float64(server.CPU()) / 1e9
	}
	var back stat.Hist
	r.Each(func(c *client.Client) {
		switch got := c.Recovery; {
		case !c.IsOpen():
			round.Absent++
		case !got.Recovered:
			round.Lost++
		case got.Missed != r.Missed || !got.Ordered:
			round.Wrong++
		default:
			round.Recovered++
			back.Record(got.At - began)
		}
	})
	round.Back = back.Latency()
}

// publish sends the messages of each room, some rooms at a time, and waits until all their members have them.
func (r *restartRun) publish(ctx context.Context) error {
	counts := make([]missedCounter, len(r.Local.Clients))
	tag := stamp.NewTag()
	r.Each(func(c *client.Client) { c.Sink = &counts[c.Index] })
	members := option.OrDefault(r.Members, len(r.Local.Clients))
	deadline := time.Now().Add(r.Config().ReplyTimeout() + time.Duration(len(r.Local.Clients)*r.Missed)*time.Millisecond/4)
	for first := 0; first < len(r.Local.Clients); first += members {
		c := r.Local.Clients[first]
		c.Do(func() {
			t := load.NewTemplate(r.Size, tag, c.Format())
			for i := range r.Missed {
				c.Send(t.Number(uint32(i)))
			}
		})
		if first/members%64 == 63 || first+members >= len(r.Local.Clients) {
			if err := r.await(ctx, counts[:min(first+members, len(counts))], deadline); err != nil {
				return err
			}
		}
	}
	return nil
}

// missedCounter is the sink of one client. It counts messages.
type missedCounter struct{ n atomic.Int64 }

func (m *missedCounter) Data(c *client.Client, b []byte, _ int64) error {
	return c.Events(b, func(ws.Event) { m.n.Add(1) })
}

// await waits until these clients have all messages of their rooms.
func (r *restartRun) await(ctx context.Context, counts []missedCounter, deadline time.Time) error {
	for i := range counts {
		for counts[i].n.Load() < int64(r.Missed) {
			if time.Now().After(deadline) {
				return fmt.Errorf("client %d has received %d of %d messages", i, counts[i].n.Load(), r.Missed)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			time.Sleep(load.PollEvery)
		}
	}
	return nil
}
