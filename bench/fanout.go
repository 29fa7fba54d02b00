package bench

import (
	"context"
	"fmt"
)

// Fanout sends one message to all clients, and the next when all have it, to the server and to the floor in turns.
type Fanout struct {
	Clients int  `default:"5000" help:"Clients in the room."`
	Rounds  int  `default:"30" help:"Messages to each of server and floor."`
	Block   int  `default:"3" help:"Messages in a row before the other's turn; server CPU is read at the end of each block."`
	Size    Size `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
}

// FanoutSide is what the server or the floor showed: each figure over the rounds, CPU over the blocks.
type FanoutSide struct {
	Median Spread `json:"median_client_ms"`
	P99    Spread `json:"p99_client_ms"`
	Last   Spread `json:"last_client_ms"`
	CPU    Spread `json:"server_cpu_us_per_delivery"`
	Lost   int    `json:"lost"`

	rounds []Round
	cpu    []float64
}

// FanoutResult compares the two; ratios are of pairs of neighbouring blocks, server to floor.
type FanoutResult struct {
	Rounds    int        `json:"rounds"`
	Server    FanoutSide `json:"server"`
	Floor     FanoutSide `json:"floor"`
	CPURatio  Spread     `json:"cpu_ratio"`
	LastRatio Spread     `json:"last_client_ratio"`
	Usage     Usage      `json:"usage"` // of the whole run; server is the target only
}

// Run measures.
func (o Fanout) Run(ctx context.Context, cfg Config) (*Report, error) {
	if o.Rounds < 1 || o.Block < 1 {
		return nil, badOption("--rounds %d --block %d: both must be one at least", o.Rounds, o.Block)
	}
	d, r, err := startDuel(ctx, cfg, "fanout", o, o.Clients, o.Size)
	if err != nil {
		return r, err
	}
	defer d.close()
	res := &FanoutResult{}
	r.Fanout = res
	defer r.sample(d.loads[0], d.sides[0].server)()
	guard := watch(d.loads[0], d.sides[0].server)
	sides := [2]*FanoutSide{&res.Server, &res.Floor}
	for done := 0; done < o.Rounds && err == nil; done += o.Block {
		for i, s := range d.sides {
			if err = sides[i].block(ctx, s, min(o.Block, o.Rounds-done)); err != nil {
				break
			}
		}
		cfg.progress("fan-out", done+o.Block, o.Rounds)
	}
	res.Usage = guard.usage()
	r.LimitedBy = append(r.LimitedBy, res.Usage.judge(0, 0)...)
	guard.remark(r, res.Usage)
	r.Interrupted = ctx.Err() != nil
	res.finish()
	if r.Interrupted {
		err = nil
	}
	return r, err
}

// block is some rounds in a row; the CPU is read when the server rests.
func (s *FanoutSide) block(ctx context.Context, r side, n int) error {
	cpu, got := r.server.cpu(), 0
	for range n {
		round, err := r.shoot(ctx)
		if err != nil {
			return err
		}
		s.rounds = append(s.rounds, round)
		s.Lost += round.Lost
		got += r.reach() - round.Lost
	}
	rest(r.server)
	s.cpu = append(s.cpu, float64(r.server.cpu()-cpu)/1e3/float64(max(got, 1)))
	return nil
}

// rest waits until the server's CPU clock stands still, for 100 ms at most.
func rest(p process) {
	for last, i := int64(-1), 0; i < 10; i++ {
		sleepUntil(now() + 10e6)
		cpu := p.cpu()
		if cpu-last < 50e3 { // less than 50 µs in 10 ms
			return
		}
		last = cpu
	}
}

func (r *FanoutResult) finish() {
	r.Server.finish()
	r.Floor.finish()
	if r.Rounds = len(r.Server.rounds); len(r.Floor.rounds) > 0 {
		r.Rounds = min(r.Rounds, len(r.Floor.rounds))
	}
	var cpu, last []float64
	for i := range min(len(r.Server.cpu), len(r.Floor.cpu)) {
		if a, b := r.Server.cpu[i], r.Floor.cpu[i]; a > 0 && b > 0 {
			cpu = append(cpu, a/b)
		}
	}
	for i := range min(r.Rounds, len(r.Floor.rounds)) {
		if b := r.Floor.rounds[i].Last; b > 0 {
			last = append(last, r.Server.rounds[i].Last/b)
		}
	}
	r.CPURatio, r.LastRatio = spreadOf(cpu), spreadOf(last)
	r.CPURatio.Median, r.LastRatio.Median = quotient(r.Server.CPU, r.Floor.CPU), quotient(r.Server.Last, r.Floor.Last)
}

// quotient divides the medians that a table shows; 0 if there is nothing to divide by.
func quotient(a, b Spread) float64 {
	if b.Median == 0 {
		return 0
	}
	return a.Median / b.Median
}

func (s *FanoutSide) finish() {
	var mid, p99, last []float64
	for _, r := range s.rounds {
		mid, p99, last = append(mid, r.Median), append(p99, r.P99), append(last, r.Last)
	}
	s.Median, s.P99, s.Last, s.CPU = spreadOf(mid), spreadOf(p99), spreadOf(last), spreadOf(s.cpu)
}

func (s *FanoutSide) row(name string) []string {
	return []string{name, s.Median.String(), s.P99.String(), s.Last.String(), s.CPU.String(), fmt.Sprint(s.Lost)}
}

func (r *FanoutResult) rows() [][]string {
	return [][]string{
		{fmt.Sprintf("%d rounds: median (min–max)", r.Rounds), "median client ms", "99th client ms", "last client ms", "server µs/delivery", "lost"},
		r.Server.row("server"), r.Floor.row("floor"),
		{"ratio of the medians (min–max of the pairs)", "", "", r.LastRatio.String(), r.CPURatio.String(), ""}}
}
