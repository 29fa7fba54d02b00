package bench

import (
	"context"
	"math/rand/v2"
	"time"
)

// Quiet sends single messages into a quiet room, to the server and to the floor in turns.
type Quiet struct {
	Clients int           `default:"1000" help:"Clients in the room."`
	Rounds  int           `default:"30" help:"Messages to each of server and floor."`
	Every   time.Duration `default:"100ms" help:"Mean pause between messages; each is between half and one and a half of it, at random."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
}

// QuietResult compares the two.
type QuietResult FanoutResult

// Run measures.
func (o Quiet) Run(ctx context.Context, cfg Config) (*Report, error) {
	if o.Rounds < 1 || o.Every < 0 {
		return nil, badOption("--rounds %d --every %s: give one round at least, and a pause that is not below zero", o.Rounds, o.Every)
	}
	d, r, err := startDuel(ctx, cfg, "quiet", o, o.Clients, o.Size)
	if err != nil {
		return r, err
	}
	defer d.close()
	res := &FanoutResult{}
	sides := [2]*FanoutSide{&res.Server, &res.Floor}
	defer r.sample(d.loads[0], d.sides[0].server)()
	guard := watch(d.loads[0], d.sides[0].server)
	for i := range len(d.sides) * o.Rounds {
		wait := o.Every/2 + time.Duration(rand.Int64N(int64(o.Every)+1))
		if pause(ctx, Config{}, "", wait) != nil {
			break
		}
		if err = sides[i%len(d.sides)].block(ctx, d.sides[i%len(d.sides)], 1); err != nil {
			break
		}
		cfg.progress("single messages", i+1, len(d.sides)*o.Rounds)
	}
	res.Usage = guard.usage()
	guard.remark(r, res.Usage)
	res.finish()
	r.Quiet = (*QuietResult)(res)
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	return r, err
}

func (r *QuietResult) rows() [][]string { return (*FanoutResult)(r).rows() }
