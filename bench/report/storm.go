package report

import (
	"fmt"

	"webim/bench/stat"
)

// StormRound is one of the times.
type StormRound struct {
	CutSeconds  float64 `json:"cut_seconds"`  // how long the cutting took
	BackSeconds float64 `json:"back_seconds"` // from the last cut to the last 101
	Back        int     `json:"back"`
	Failed      int     `json:"failed"` // handshakes, each tried again
	CPU         float64 `json:"server_cpu_us_per_client"`
	Usage       Usage   `json:"usage"`

	Traffic *StormTraffic `json:"traffic,omitempty"`
}

// StormTraffic is what those who stay saw of a round; latency is from the time at which a message was meant to be sent.
type StormTraffic struct {
	Calm  stat.Latency `json:"before"` // in the second before the cut
	Storm stat.Latency `json:"during"` // from the cut until all were back
	Sent  int          `json:"sent"`   // during
	Lost  int64        `json:"lost"`   // deliveries, to those who stay
	Gone  int          `json:"gone"`   // of those who stay
}

// StormResult is all of them.
type StormResult struct {
	Rounds   []StormRound   `json:"rounds"`
	Seconds  stat.Spread    `json:"back_seconds"`
	InFlight int            `json:"handshakes_in_flight"` // at most
	Failures map[string]int `json:"failures"`
}

func (r *StormResult) rows() [][]string {
	rows := [][]string{{"storm", "cut s", "all back s", "back", "failed", "server µs/client", "server cores", "client cores"}}
	for i, s := range r.Rounds {
		rows = append(rows, []string{fmt.Sprint(i + 1), stat.Cell(s.CutSeconds), stat.Cell(s.BackSeconds), fmt.Sprint(s.Back), fmt.Sprint(s.Failed), stat.Cell(s.CPU), stat.Cell(s.Usage.Server), stat.Cell(s.Usage.Client)})
	}
	return append(rows, []string{"median", "", stat.Cell(r.Seconds.Median), "", "", "", "", ""})
}

// trafficRows are about those who stay; nil if nobody does.
func (r *StormResult) trafficRows() [][]string {
	rows := [][]string{{"those who stay", "p50 ms before", "p99", "max", "p50 ms during", "p99", "max", "messages", "lost", "gone"}}
	for i, s := range r.Rounds {
		if t := s.Traffic; t != nil {
			rows = append(rows, []string{fmt.Sprintf("storm %d", i+1), stat.Cell(t.Calm.P50), stat.Cell(t.Calm.P99), stat.Cell(t.Calm.Max), stat.Cell(t.Storm.P50), stat.Cell(t.Storm.P99), stat.Cell(t.Storm.Max),
				fmt.Sprint(t.Sent), fmt.Sprint(t.Lost), fmt.Sprint(t.Gone)})
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return rows
}

// traffic is the median round's latency, before and during, as p99.
func (r *StormResult) traffic() (calm, storm stat.Spread) {
	var a, b []float64
	for _, s := range r.Rounds {
		if s.Traffic != nil {
			a, b = append(a, s.Traffic.Calm.P99), append(b, s.Traffic.Storm.P99)
		}
	}
	return stat.SpreadOf(a), stat.SpreadOf(b)
}
