package scenario

import (
	"context"
	"math/rand/v2"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
)

// Quiet sends single messages into a quiet room, to the server and the floor in turns.
type Quiet struct {
	Clients int           `default:"1000" help:"Number of clients in the room."`
	Rounds  int           `default:"30" help:"Number of messages to the server, and to the floor."`
	Every   time.Duration `default:"100ms" help:"Mean pause between messages. Each pause is random, from 0.5 to 1.5 times the mean."`
	Size    option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
}

// Run runs the scenario.
func (o Quiet) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if o.Rounds < 1 || o.Every < 0 {
		return nil, option.Bad("--rounds %d --every %s: give at least one round, and a pause of at least 0s", o.Rounds, o.Every)
	}
	d, r, err := startFloorComparison(ctx, cfg, "quiet", o, o.Clients, o.Size)
	if err != nil {
		return r, err
	}
	defer d.close()
	res := &report.FanoutResult{}
	sides := [2]*report.FanoutSide{&res.Server, &res.Floor}
	defer load.StartSampling(r, d.loads[0], d.sides[0].server)()
	guard := load.StartGuard(d.loads[0], d.sides[0].server)
	for i := range len(d.sides) * o.Rounds {
		wait := o.Every/2 + time.Duration(rand.Int64N(int64(o.Every)+1))
		if pause(ctx, client.Config{}, "", wait) != nil {
			break
		}
		if err = block(ctx, sides[i%len(d.sides)], d.sides[i%len(d.sides)], 1); err != nil {
			break
		}
		cfg.ShowProgress("single messages", i+1, len(d.sides)*o.Rounds)
	}
	res.Usage = guard.Usage()
	guard.Remark(r, res.Usage)
	res.Finish()
	r.Quiet = (*report.QuietResult)(res)
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	return r, err
}
