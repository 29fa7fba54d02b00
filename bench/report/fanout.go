package report

import (
	"fmt"

	"webim/bench/stat"
)

// FanoutSide has the figures of the server or the floor: the CPU time over the blocks, the other figures over the rounds.
type FanoutSide struct {
	Median stat.Spread `json:"median_client_ms"`
	P99    stat.Spread `json:"p99_client_ms"`
	Last   stat.Spread `json:"last_client_ms"`
	CPU    stat.Spread `json:"server_cpu_us_per_delivery"`
	Lost   int         `json:"lost"`

	Rounds []Round   `json:"-"`
	Blocks []float64 `json:"-"` // the server's CPU time per delivery in each block, in microseconds
}

// FanoutResult compares the server with the floor. A ratio is that of two blocks that follow each other.
type FanoutResult struct {
	Rounds    int         `json:"rounds"`
	Server    FanoutSide  `json:"server"`
	Floor     FanoutSide  `json:"floor"`
	CPURatio  stat.Spread `json:"cpu_ratio"`
	LastRatio stat.Spread `json:"last_client_ratio"`
	Usage     Usage       `json:"usage"` // of the whole run; Usage.Server is without the floor
}

func (r *FanoutResult) Finish() {
	r.Server.finish()
	r.Floor.finish()
	if r.Rounds = len(r.Server.Rounds); len(r.Floor.Rounds) > 0 {
		r.Rounds = min(r.Rounds, len(r.Floor.Rounds))
	}
	var cpu, last []float64
	for i := range min(len(r.Server.Blocks), len(r.Floor.Blocks)) {
		if a, b := r.Server.Blocks[i], r.Floor.Blocks[i]; a > 0 && b > 0 {
			cpu = append(cpu, a/b)
		}
	}
	for i := range min(r.Rounds, len(r.Floor.Rounds)) {
		if b := r.Floor.Rounds[i].Last; b > 0 {
			last = append(last, r.Server.Rounds[i].Last/b)
		}
	}
	r.CPURatio, r.LastRatio = stat.SpreadOf(cpu), stat.SpreadOf(last)
	r.CPURatio.Median, r.LastRatio.Median = stat.Ratio(r.Server.CPU, r.Floor.CPU), stat.Ratio(r.Server.Last, r.Floor.Last)
}

func (s *FanoutSide) finish() {
	var mid, p99, last []float64
	for _, r := range s.Rounds {
		mid, p99, last = append(mid, r.Median), append(p99, r.P99), append(last, r.Last)
	}
	s.Median, s.P99, s.Last, s.CPU = stat.SpreadOf(mid), stat.SpreadOf(p99), stat.SpreadOf(last), stat.SpreadOf(s.Blocks)
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

// QuietResult is a FanoutResult of scenario quiet.
type QuietResult FanoutResult

func (r *QuietResult) rows() [][]string { return (*FanoutResult)(r).rows() }

// Round has the times from the sending of one message to its receptions, in milliseconds.
type Round struct {
	Median float64 `json:"median_ms"`
	P99    float64 `json:"p99_ms"`
	Last   float64 `json:"last_ms"`
	Lost   int     `json:"lost"`
}
