package report

import (
	"fmt"

	"webim/bench/stat"
)

// StormRound is the result of one round.
type StormRound struct {
	CutSeconds  float64 `json:"cut_seconds"`  // time to cut all clients
	BackSeconds float64 `json:"back_seconds"` // from the last cut to the last 101
	Back        int     `json:"back"`
	Failed      int     `json:"failed"` // handshakes; each is repeated
	CPU         float64 `json:"server_cpu_us_per_client"`
	Usage       Usage   `json:"usage"`

	Traffic *StormTraffic `json:"traffic,omitempty"`
}

// StormTraffic is the traffic of the clients that stay. The latency is from the due time of a message.
type StormTraffic struct {
	Calm  stat.Latency `json:"before"` // in the second before the cut
	Storm stat.Latency `json:"during"` // from the cut until all clients were back
	Sent  int          `json:"sent"`   // messages during the storm
	Lost  int64        `json:"lost"`   // deliveries to the clients that stay
	Gone  int          `json:"gone"`   // clients that should have stayed
}

// StormResult has all rounds.
type StormResult struct {
	Rounds   []StormRound   `json:"rounds"`
	Seconds  stat.Spread    `json:"back_seconds"`
	InFlight int            `json:"handshakes_in_flight"` // maximum
	Failures map[string]int `json:"failures"`
}

func (r *StormResult) rows() [][]string {
	rows := [][]string{{"storm", "cut s", "all back s", "back", "failed", "server µs/client", "server cores", "client cores"}}
	for i, s := range r.Rounds {
		rows = append(rows, []string{fmt.Sprint(i + 1), stat.Cell(s.CutSeconds), stat.Cell(s.BackSeconds), fmt.Sprint(s.Back), fmt.Sprint(s.Failed), stat.Cell(s.CPU), stat.Cell(s.Usage.Server), stat.Cell(s.Usage.Client)})
	}
	return append(rows, []string{"median", "", stat.Cell(r.Seconds.Median), "", "", "", "", ""})
}

// trafficRows returns the table of the clients that stay; nil if there are none.
func (r *StormResult) trafficRows() [][]string {
	rows := [][]string{{"clients that stay", "p50 ms before", "p99", "max", "p50 ms during", "p99", "max", "messages", "lost", "gone"}}
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

// traffic returns the p99 of the rounds, before and during the storm.
func (r *StormResult) traffic() (calm, storm stat.Spread) {
	var a, b []float64
	for _, s := range r.Rounds {
		if s.Traffic != nil {
			a, b = append(a, s.Traffic.Calm.P99), append(b, s.Traffic.Storm.P99)
		}
	}
	return stat.SpreadOf(a), stat.SpreadOf(b)
}
