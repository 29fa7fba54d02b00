package scenario

import (
	"context"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Fanout sends one message to all clients, and the next one when all have received it, to the server and the floor in
// turns.
type Fanout struct {
	Clients int         `default:"5000" help:"Number of clients in the room."`
	Rounds  int         `default:"30" help:"Number of messages to the server, and to the floor."`
	Block   int         `default:"3" help:"Messages to one side before the other side's turn. The CPU time is read after each block."`
	Size    option.Size `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
}

// Run runs the scenario.
func (o Fanout) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if o.Rounds < 1 || o.Block < 1 {
		return nil, option.Bad("--rounds %d --block %d: give at least 1 for both", o.Rounds, o.Block)
	}
	d, r, err := startFloorComparison(ctx, cfg, "fanout", o, o.Clients, o.Size)
	if err != nil {
		return r, err
	}
	defer d.close()
	res := &report.FanoutResult{}
	r.Fanout = res
	defer load.StartSampling(r, d.loads[0], d.sides[0].server)()
	guard := load.StartGuard(d.loads[0], d.sides[0].server)
	sides := [2]*report.FanoutSide{&res.Server, &res.Floor}
	for done := 0; done < o.Rounds && err == nil; done += o.Block {
		for i, s := range d.sides {
			if err = block(ctx, sides[i], s, min(o.Block, o.Rounds-done)); err != nil {
				break
			}
		}
		cfg.ShowProgress("fan-out", done+o.Block, o.Rounds)
	}
	res.Usage = guard.Usage()
	r.LimitedBy = append(r.LimitedBy, res.Usage.ClientLimits(0, 0)...)
	guard.Remark(r, res.Usage)
	r.Interrupted = ctx.Err() != nil
	res.Finish()
	if r.Interrupted {
		err = nil
	}
	return r, err
}

// block runs n rounds one after another, and reads the CPU time when the server is idle again.
func block(ctx context.Context, s *report.FanoutSide, r side, n int) error {
	cpu, got := r.server.CPU(), 0
	for range n {
		round, err := r.Send(ctx)
		if err != nil {
			return err
		}
		s.Rounds = append(s.Rounds, round)
		s.Lost += round.Lost
		got += r.Reach() - round.Lost
	}
	waitIdle(r.server)
	s.Blocks = append(s.Blocks, float64(r.server.CPU()-cpu)/1e3/float64(max(got, 1)))
	return nil
}

// waitIdle waits until the server uses no CPU time, at most 100 ms.
func waitIdle(p proc.Process) {
	for last, i := int64(-1), 0; i < 10; i++ {
		stat.SleepUntil(stat.Now() + 10e6)
		cpu := p.CPU()
		if cpu-last < 50e3 { // less than 50 µs in 10 ms
			return
		}
		last = cpu
	}
}
