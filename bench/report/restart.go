package report

import (
	"fmt"

	"webim/bench/stat"
)

// RestartRound is the result of one restart.
type RestartRound struct {
	ServingSeconds float64      `json:"serving_seconds"` // from the start of the process until it accepts connections
	Back           stat.Latency `json:"recovered"`       // from then until a client had its reply, of those that have recovered
	Recovered      int          `json:"clients_recovered"`
	Lost           int          `json:"clients_not_recovered"` // the server says so
	Wrong          int          `json:"clients_wrong"`         // recovered with other messages than those that they missed
	Absent         int          `json:"clients_absent"`
	Failed         int          `json:"failed"` // handshakes; each is repeated
	CPU            float64      `json:"server_cpu_seconds"`
}

// RestartResult has all rounds.
type RestartResult struct {
	Rooms  int            `json:"rooms"`
	Rounds []RestartRound `json:"rounds"`
}

func (r *RestartResult) rows() [][]string {
	rows := [][]string{{"restart", "serving s", "recovered p50 ms", "p99", "last", "recovered", "not recovered", "wrong", "absent", "failed", "server CPU s"}}
	for i, s := range r.Rounds {
		rows = append(rows, []string{fmt.Sprint(i + 1), stat.Cell(s.ServingSeconds), stat.Cell(s.Back.P50), stat.Cell(s.Back.P99), stat.Cell(s.Back.Max), fmt.Sprint(s.Recovered),
			fmt.Sprint(s.Lost), fmt.Sprint(s.Wrong), fmt.Sprint(s.Absent), fmt.Sprint(s.Failed), stat.Cell(s.CPU)})
	}
	return rows
}

// spreads returns the seconds until the server served, and until all clients had recovered.
func (r *RestartResult) spreads() (serving, last stat.Spread) {
	var a, b []float64
	for _, s := range r.Rounds {
		a, b = append(a, s.ServingSeconds), append(b, s.Back.Max/1e3)
	}
	return stat.SpreadOf(a), stat.SpreadOf(b)
}

// wrong returns how many clients did not recover their messages.
func (r *RestartResult) wrong() (n int64) {
	for _, s := range r.Rounds {
		n += int64(s.Lost + s.Wrong + s.Absent)
	}
	return n
}
