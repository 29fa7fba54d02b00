package report

import (
	"fmt"

	"webim/bench/stat"
)

// EchoResult is the result of echo.
type EchoResult struct {
	Rate       float64      `json:"rate"`      // the requested rate; 0 means as fast as possible
	InFlight   int          `json:"in_flight"` // per client; 0 at a rate, which does not limit them
	Clients    int          `json:"clients"`
	Sent       int64        `json:"sent"`
	Answered   int64        `json:"answered"`
	PerSecond  float64      `json:"answers_per_s_in_window"`
	Lost       int64        `json:"lost"`
	Duplicates int64        `json:"duplicates"`
	Reordered  int64        `json:"reordered"`
	Foreign    int64        `json:"foreign"`
	Held       int          `json:"held"`
	Gone       int          `json:"gone"`
	Latency    stat.Latency `json:"latency"`
	CPU        float64      `json:"server_cpu_us_per_answer"`
	Lag        float64      `json:"sender_lag_p99_ms"`
	Usage      Usage        `json:"usage"`
}

func (r *EchoResult) rows() [][]string {
	how := fmt.Sprintf("%g/s", r.Rate)
	if r.Rate == 0 {
		how = fmt.Sprintf("%d in flight", r.InFlight)
	}
	n, l := func(v any) string { return fmt.Sprint(v) }, r.Latency
	return [][]string{{"clients", "load", "answers", "in window/s", "lost", "dup", "reord", "p50 ms", "p90", "p99", "p99.9", "max", "server µs/answer", "server cores", "client cores", "held", "gone"},
		{n(r.Clients), how, n(r.Answered), fmt.Sprintf("%.0f", r.PerSecond), n(r.Lost), n(r.Duplicates), n(r.Reordered),
			stat.Cell(l.P50), stat.Cell(l.P90), stat.Cell(l.P99), stat.Cell(l.P999), stat.Cell(l.Max), stat.Cell(r.CPU), stat.Cell(r.Usage.Server), stat.Cell(r.Usage.Client), n(r.Held), n(r.Gone)}}
}
