package report

import (
	"fmt"

	"webim/bench/stat"
)

// BigResult is the memory that remains after big messages.
type BigResult struct {
	Clients   int     `json:"clients"`
	Echoed    int     `json:"echoed"`
	Before    int64   `json:"server_pss_bytes_before"`
	AtEcho    int64   `json:"server_pss_bytes_at_echo"`
	After     int64   `json:"server_pss_bytes_after"`
	PerClient float64 `json:"bytes_per_client"`
}

func (r *BigResult) rows() [][]string {
	return [][]string{{"clients", "echoed", "PSS MB before", "at the echo", "after", "bytes/client"},
		{fmt.Sprint(r.Clients), fmt.Sprint(r.Echoed), stat.Cell(float64(r.Before) / 1e6), stat.Cell(float64(r.AtEcho) / 1e6), stat.Cell(float64(r.After) / 1e6), fmt.Sprintf("%.0f", r.PerClient)}}
}

// SlowSide is the load with or without stuck clients. The latency is that of the reading clients.
type SlowSide struct {
	Latency  stat.Latency `json:"latency"`
	Lost     int64        `json:"lost"`
	Gone     int          `json:"gone"` // reading clients that the server closed
	PSSStart int64        `json:"server_pss_bytes_before"`
	PSSPeak  int64        `json:"server_pss_bytes_peak"`
	PSSEnd   int64        `json:"server_pss_bytes_end"`
}

// SlowResult compares the two loads, and has the outcome of the stuck clients.
type SlowResult struct {
	Without      SlowSide    `json:"without"`
	With         SlowSide    `json:"with"`
	PeakPerStuck float64     `json:"peak_bytes_per_stuck"` // the rise from start to peak with stuck clients, less that without
	EndPerStuck  float64     `json:"end_bytes_per_stuck"`
	Closed       int         `json:"stuck_closed"` // closed by the server
	Left         int         `json:"stuck_left"`   // still connected at the end
	Codes        map[int]int `json:"stuck_close_codes"`
	P99Ratio     float64     `json:"p99_ratio"`
}

func (r *SlowResult) Finish(stuck float64) {
	a, b := r.Without, r.With
	// A negative value is noise: a stuck client does not free memory.
	r.PeakPerStuck = max(0, float64((b.PSSPeak-b.PSSStart)-(a.PSSPeak-a.PSSStart))/stuck)
	r.EndPerStuck = max(0, float64((b.PSSEnd-b.PSSStart)-(a.PSSEnd-a.PSSStart))/stuck)
	if a.Latency.P99 > 0 {
		r.P99Ratio = b.Latency.P99 / a.Latency.P99
	}
}

func (r *SlowResult) rows() [][]string {
	row := func(name string, s SlowSide) []string {
		return []string{name, stat.Cell(s.Latency.P50), stat.Cell(s.Latency.P99), stat.Cell(s.Latency.Max), fmt.Sprint(s.Lost), fmt.Sprint(s.Gone), stat.Cell(float64(s.PSSStart) / 1e6), stat.Cell(float64(s.PSSPeak) / 1e6), stat.Cell(float64(s.PSSEnd) / 1e6)}
	}
	return [][]string{{"readers", "p50 ms", "p99 ms", "max ms", "lost", "gone", "PSS MB before", "peak", "end"}, row("without stuck", r.Without), row("with stuck", r.With),
		{"p99 ratio", "", stat.Cell(r.P99Ratio), "", "", "", "", "", ""},
		{"bytes per stuck", "", "", "", "", "", "", stat.Figure(r.PeakPerStuck), stat.Figure(r.EndPerStuck)},
		{fmt.Sprintf("stuck: %d closed, %d left", r.Closed, r.Left), "", "", "", "", "", "", "", ""}}
}
