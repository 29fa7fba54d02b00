package report

import (
	"fmt"

	"webim/bench/stat"
)

// PairResult has the deliveries of the pair, alone and beside the flood. The latency is from the due time of a message.
// The two clients send in turns, and each message goes to both.
type PairResult struct {
	Alone      stat.Latency `json:"alone"`
	Beside     stat.Latency `json:"beside_flood"`
	AloneTrips int          `json:"alone_trips"` // deliveries
	Trips      int          `json:"beside_trips"`
	Lost       int          `json:"lost"`
	Flood      FloodResult  `json:"flood"`
}

func (r *PairResult) rows() [][]string {
	row := func(name string, n int, l stat.Latency) []string {
		return []string{name, fmt.Sprint(n), stat.Cell(l.P50), stat.Cell(l.P90), stat.Cell(l.P99), stat.Cell(l.Max)}
	}
	f := r.Flood
	return [][]string{{"room of two, open loop", "deliveries", "p50 ms", "p90", "p99", "max"}, row("alone", r.AloneTrips, r.Alone), row("beside the flood", r.Trips, r.Beside),
		row(fmt.Sprintf("the flood itself (lost %d)", f.Lost), int(f.Delivered), f.Latency)}
}
