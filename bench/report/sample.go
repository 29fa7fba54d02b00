package report

import (
	"webim/bench/stat"
)

// Sample has the figures of the server and the load at one time. The memory is RSS and not PSS, because for PSS the kernel
// must read the server's page tables.
type Sample struct {
	At        float64 `json:"t_s"`
	RSS       int64   `json:"server_rss_bytes"`
	FDs       int     `json:"server_fds"`
	CPU       float64 `json:"server_cores"` // this and the following fields are since the previous sample
	Client    float64 `json:"client_cores"`
	PerSecond float64 `json:"messages_per_s"` // received by checked clients
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Open      int     `json:"clients_open"`
}

// Thinned makes one sample of every two: the mean of rates, and the larger one of percentiles.
func Thinned(all []Sample) []Sample {
	for i := 1; i < len(all); i += 2 {
		a, b := all[i-1], all[i]
		b.CPU, b.Client, b.PerSecond = (a.CPU+b.CPU)/2, (a.Client+b.Client)/2, (a.PerSecond+b.PerSecond)/2
		b.P50, b.P99 = max(a.P50, b.P50), max(a.P99, b.P99)
		all[i/2] = b
	}
	return all[:len(all)/2]
}

// Drift compares the medians of the first and the last third of a run's samples.
type Drift struct {
	First   float64 `json:"first"`
	Last    float64 `json:"last"`
	PerHour float64 `json:"per_hour"` // 0 for runs of less than a minute, which are too short
}

// Drifts has the drift of everything that must not grow.
type Drifts struct {
	RSS Drift `json:"server_rss_bytes"`
	FDs Drift `json:"server_fds"`
	P99 Drift `json:"latency_p99_ms"`
}

func DriftsOf(all []Sample) Drifts {
	return Drifts{driftOf(all, func(s Sample) float64 { return float64(s.RSS) }), driftOf(all, func(s Sample) float64 { return float64(s.FDs) }),
		driftOf(all, func(s Sample) float64 { return s.P99 })}
}

func driftOf(all []Sample, of func(Sample) float64) (d Drift) {
	n := len(all) / 3
	if n == 0 {
		return d
	}
	middle := func(part []Sample, of func(Sample) float64) float64 {
		var v []float64
		for _, s := range part {
			v = append(v, of(s))
		}
		return stat.Median(v)
	}
	at := func(s Sample) float64 { return s.At }
	first, last := all[:n], all[len(all)-n:]
	d.First, d.Last = middle(first, of), middle(last, of)
	if all[len(all)-1].At < 60 {
		return d
	}
	d.PerHour = (d.Last - d.First) * 3600 / (middle(last, at) - middle(first, at))
	return d
}

func (d Drifts) rows() [][]string {
	row := func(name string, d Drift, unit float64) []string {
		return []string{name, stat.Cell(d.First / unit), stat.Cell(d.Last / unit), stat.Cell(d.PerHour / unit)}
	}
	return [][]string{{"drift", "first third", "last third", "an hour"}, row("server RSS MB", d.RSS, 1e6), row("server fds", d.FDs, 1), row("p99 ms", d.P99, 1)}
}
