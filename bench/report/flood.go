package report

import (
	"fmt"

	"webim/bench/stat"
)

// FloodResult is the result of a flood at one rate. A delivery is one message to one client; duplicates do not count.
type FloodResult struct {
	Rate       float64      `json:"rate"`
	Clients    int          `json:"clients"`
	Sent       int          `json:"sent"`
	Expected   int64        `json:"deliveries_expected"`
	Delivered  int64        `json:"deliveries"`
	InWindow   int64        `json:"deliveries_in_window"`
	PerSecond  float64      `json:"deliveries_per_s_in_window"`
	Lost       int64        `json:"lost"`
	Duplicates int64        `json:"duplicates"`
	Reordered  int64        `json:"reordered"`
	Foreign    int64        `json:"foreign"` // messages of another run or another program
	Held       int          `json:"held"`    // messages of which the socket accepted no byte at once
	Unsent     int          `json:"unsent"`  // messages that were not sent until the end; they count as lost
	Gone       int          `json:"gone"`    // clients that were closed meanwhile
	Latency    stat.Latency `json:"latency"`
	CPU        float64      `json:"server_cpu_us_per_delivery"`
	Lag        float64      `json:"sender_lag_p99_ms"`
	Usage      Usage        `json:"usage"`
}

// Remark adds a note if the losses look like refused messages.
func (s FloodResult) Remark(r *Report) {
	if n := int64(s.Clients); s.Lost > 0 && s.Lost%n == 0 && s.Gone == 0 && s.Unsent == 0 {
		r.Note("at %g msg/s %d of %d messages reached no client: a server with a rate limit refuses messages like that; raise the limit (webim: --rate-send, --user-rate-send, or serve --dev) or send less", s.Rate, s.Lost/n, s.Sent)
	}
}

func floodRows(steps []FloodResult) [][]string {
	rows := [][]string{{"msg/s", "deliveries", "in window/s", "lost", "dup", "reord", "p50 ms", "p90", "p99", "p99.9", "max", "server µs/delivery", "server cores", "client cores", "held", "gone"}}
	for _, s := range steps {
		n := func(v any) string { return fmt.Sprint(v) }
		l := s.Latency
		rows = append(rows, []string{n(s.Rate), n(s.Delivered), fmt.Sprintf("%.0f", s.PerSecond), n(s.Lost), n(s.Duplicates), n(s.Reordered),
			stat.Cell(l.P50), stat.Cell(l.P90), stat.Cell(l.P99), stat.Cell(l.P999), stat.Cell(l.Max), stat.Cell(s.CPU), stat.Cell(s.Usage.Server), stat.Cell(s.Usage.Client), n(s.Held), n(s.Gone)})
	}
	return rows
}

// RateResult has the rate at which the bound broke.
type RateResult struct {
	Bound float64       `json:"bound_p99_ms"`
	Held  float64       `json:"held_msg_per_s"`  // the highest rate within the bound; 0 if there was none
	Broke float64       `json:"broke_msg_per_s"` // the lowest rate above the bound; 0 if there was none
	Why   string        `json:"why"`             // the reason at that rate
	Steps []FloodResult `json:"steps"`
}

// Take adds a step. limits are the reasons why the client was the bottleneck in it. They count only if the bound broke in
// this step: then the client has set the result.
func (r *RateResult) Take(s FloodResult, limits []string, report *Report) {
	r.Steps = append(r.Steps, s)
	why := r.broken(s)
	if why == "" {
		r.Held = max(r.Held, s.Rate)
		return
	}
	r.Broke, r.Why = s.Rate, why
	report.LimitedBy = report.LimitedBy[:0]
	for _, l := range limits {
		report.LimitedBy = append(report.LimitedBy, fmt.Sprintf("at %g msg/s, where the bound broke, %s", s.Rate, l))
	}
}

// broken returns why a step was not within the bound, or "".
func (r *RateResult) broken(s FloodResult) string {
	switch {
	case s.Lost > 0:
		return fmt.Sprintf("%d of %d deliveries were lost", s.Lost, s.Expected)
	case s.Gone > 0:
		return fmt.Sprintf("the server closed %d clients", s.Gone)
	case s.Duplicates > 0 || s.Reordered > 0:
		return fmt.Sprintf("%d deliveries were duplicates, %d in the wrong order", s.Duplicates, s.Reordered)
	case s.Latency.P99 > r.Bound:
		return fmt.Sprintf("p99 was %s ms", stat.Cell(s.Latency.P99))
	}
	return ""
}

// String returns the result as a sentence.
func (r *RateResult) String() string {
	held := fmt.Sprintf("p99 stayed within %g ms up to %g msg/s", r.Bound, r.Held)
	if r.Held == 0 {
		held = fmt.Sprintf("p99 was above %g ms at all rates: give a lower --from", r.Bound)
	}
	if r.Broke == 0 {
		return held + ", the highest rate: give a higher --to"
	}
	return held + fmt.Sprintf("; at %g msg/s %s", r.Broke, r.Why)
}

func (r *RateResult) rows() [][]string { return floodRows(r.Steps) }
