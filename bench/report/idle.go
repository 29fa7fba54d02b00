package report

import (
	"fmt"

	"webim/bench/stat"
)

// IdleStep has the figures of the server with a number of clients.
type IdleStep struct {
	Clients int     `json:"clients"`
	PSS     int64   `json:"server_pss_bytes"`
	Kernel  int64   `json:"kernel_bytes"`    // of the whole machine, in addition to that before the first client
	Seconds float64 `json:"connect_seconds"` // for the clients that connected in this step
	PerSec  float64 `json:"connects_per_s"`
}

// IdleResult is the cost of idle clients.
type IdleResult struct {
	Before    int64          `json:"server_pss_bytes_before"`
	Steps     []IdleStep     `json:"steps"`
	PerClient float64        `json:"bytes_per_client"`        // from the first step to the last one
	Kernel    float64        `json:"kernel_bytes_per_client"` // likewise; for both ends of the connection if both are on this machine
	Gone      int            `json:"gone"`                    // clients that the server closed
	Failures  map[string]int `json:"failures"`
	Hold      *IdleHold      `json:"hold,omitempty"`
}

// IdleHold has the figures of the time in which there were only heartbeats.
type IdleHold struct {
	Seconds   float64 `json:"seconds"`
	Clients   int     `json:"clients"`
	Pings     int64   `json:"pings"`           // received and answered
	PingEvery float64 `json:"ping_interval_s"` // of each client, from the number of pings; 0 if there were none
	CPU       float64 `json:"server_cpu_us_per_client_and_s"`
	Server    float64 `json:"server_cores"`
	Client    float64 `json:"client_cores"`
}

func (r *IdleResult) rows() [][]string {
	rows := [][]string{{"clients", "server PSS MB", "kernel MB", "connects/s", "bytes/client", "kernel bytes/client", "failed", "closed by server"},
		{"0", stat.Cell(float64(r.Before) / 1e6), "", "", "", "", "", ""}}
	for i, s := range r.Steps {
		row := []string{fmt.Sprint(s.Clients), stat.Cell(float64(s.PSS) / 1e6), stat.Cell(float64(s.Kernel) / 1e6), stat.Cell(s.PerSec), "", "", "", ""}
		if i == len(r.Steps)-1 {
			failed := 0
			for _, n := range r.Failures {
				failed += n
			}
			row[4], row[5], row[6], row[7] = stat.Cell(r.PerClient), stat.Cell(r.Kernel), fmt.Sprint(failed), fmt.Sprint(r.Gone)
		}
		rows = append(rows, row)
	}
	return rows
}

func (h *IdleHold) rows() [][]string {
	if h == nil {
		return nil
	}
	every := "none came"
	if h.PingEvery > 0 {
		every = fmt.Sprintf("%.1f s", h.PingEvery)
	}
	return [][]string{{"held s", "clients", "pings", "a client's ping every", "server µs/s and client", "server cores", "client cores"},
		{stat.Cell(h.Seconds), fmt.Sprint(h.Clients), fmt.Sprint(h.Pings), every, stat.Cell(h.CPU), stat.Cell(h.Server), stat.Cell(h.Client)}}
}
