package report

import (
	"fmt"

	"webim/bench/stat"
)

// ChurnResult has the load on the clients that stayed, the transient clients, and the drift.
type ChurnResult struct {
	Stayers    FloodResult     `json:"stayers"`
	Transients TransientResult `json:"comers"`
	Drift      Drifts          `json:"drift"`
}

func (r *ChurnResult) rows() [][]string { return floodRows([]FloodResult{r.Stayers}) }

// TransientResult is the result of the transient clients.
type TransientResult struct {
	PerSecond float64        `json:"came_per_s"`
	Came      int            `json:"came"`      // successful handshakes
	Refused   int            `json:"refused"`   // failed handshakes
	Skipped   int            `json:"skipped"`   // not started, because all clients were still connected
	CutOff    int            `json:"cut_off"`   // closed by the server before their time
	Goodbyes  int            `json:"goodbyes"`  // close frames sent
	Unheard   int            `json:"unheard"`   // close frames that were not answered within a second
	Handshake stat.Latency   `json:"handshake"` // from the due time of the client
	Failures  map[string]int `json:"failures"`
}

func (r TransientResult) rows() [][]string {
	n := func(v int) string { return fmt.Sprint(v) }
	return [][]string{{"came", "a second", "refused", "skipped", "cut off", "goodbyes", "unheard", "handshake p50 ms", "p99", "max"},
		{n(r.Came), stat.Cell(r.PerSecond), n(r.Refused), n(r.Skipped), n(r.CutOff), n(r.Goodbyes), n(r.Unheard), stat.Cell(r.Handshake.P50), stat.Cell(r.Handshake.P99), stat.Cell(r.Handshake.Max)}}
}

// SoakResult has the sums over all segments, and the drift.
type SoakResult struct {
	Delivered  int64           `json:"deliveries"`
	Lost       int64           `json:"lost"`
	Duplicates int64           `json:"duplicates"`
	Reordered  int64           `json:"reordered"`
	Gone       int             `json:"gone"` // clients that should have stayed
	IdleGone   int             `json:"idle_gone"`
	Segments   []FloodResult   `json:"segments"`
	Transients TransientResult `json:"comers"`
	Drift      Drifts          `json:"drift"`
}

func (r *SoakResult) Take(s FloodResult) {
	r.Segments = append(r.Segments, s)
	r.Delivered += s.Delivered
	r.Lost += s.Lost
	r.Duplicates += s.Duplicates
	r.Reordered += s.Reordered
	r.Gone += s.Gone
}

func (r *SoakResult) rows() [][]string {
	var p99, worst []float64
	for _, s := range r.Segments {
		p99, worst = append(p99, s.Latency.P99), append(worst, s.Latency.Max)
	}
	n := func(v any) string { return fmt.Sprint(v) }
	return [][]string{{"parts", "deliveries", "lost", "dup", "reord", "gone", "idle gone", "p99 ms: median (min–max)", "max ms"},
		{n(len(r.Segments)), n(r.Delivered), n(r.Lost), n(r.Duplicates), n(r.Reordered), n(r.Gone), n(r.IdleGone), stat.SpreadOf(p99).String(), stat.Cell(stat.SpreadOf(worst).Max)}}
}
