package report

import (
	"fmt"
	"path"
	"strings"

	"webim/bench/stat"
)

// Figure is a number of a report that can be compared.
type Figure struct {
	What   string      // name and unit, as "p99, ms"
	Case   string      // step or side of the report, as "300 msg/s"; may be empty
	Value  float64     // the median, if it was repeated within the run
	Spread stat.Spread // zero if it was not repeated
	More   bool        // more is better
}

// Name is different for each figure of a report.
func (f Figure) Name() string { return strings.TrimPrefix(f.Case+": "+f.What, ": ") }

// figureList collects figures. Zero means that a figure was not measured, except for counts of errors.
type figureList []Figure

func (l *figureList) add(where, what string, v float64) {
	if v != 0 {
		*l = append(*l, Figure{What: what, Case: where, Value: v})
	}
}

func (l *figureList) more(where, what string, v float64) {
	*l = append(*l, Figure{What: what, Case: where, Value: v, More: true})
}

func (l *figureList) count(where, what string, v int64) {
	*l = append(*l, Figure{What: what, Case: where, Value: float64(v)})
}

func (l *figureList) spread(where, what string, s stat.Spread) {
	if s.Median != 0 {
		*l = append(*l, Figure{What: what, Case: where, Value: s.Median, Spread: s})
	}
}

func (l *figureList) moreSpread(where, what string, s stat.Spread) {
	*l = append(*l, Figure{What: what, Case: where, Value: s.Median, Spread: s, More: true})
}

func (l *figureList) latency(where string, v stat.Latency) {
	l.add(where, "p50, ms", v.P50)
	l.add(where, "p99, ms", v.P99)
	l.add(where, "p99.9, ms", v.P999)
	l.add(where, "longest, ms", v.Max)
}

func (l *figureList) flood(where string, s FloodResult) {
	l.latency(where, s.Latency)
	l.add(where, "server CPU per delivery, µs", s.CPU)
	l.more(where, "deliveries a second", s.PerSecond)
	l.count(where, "lost, doubled or reordered", s.Lost+s.Duplicates+s.Reordered)
	l.count(where, "clients closed", int64(s.Gone))
}

// Figures returns the figures of a report. They are the same for all reports of a scenario with the same options.
func (r *Report) Figures() []Figure {
	var l figureList
	switch {
	case r.Idle != nil:
		l.add("", "memory per client, bytes", r.Idle.PerClient)
		if h := r.Idle.Hold; h != nil {
			l.add("", "idle CPU per client, µs a second", h.CPU)
		}
		for _, s := range r.Idle.Steps {
			l.more(fmt.Sprintf("%d clients", s.Clients), "connects a second", s.PerSec)
		}
	case r.Flood != nil:
		for _, s := range r.Flood {
			l.flood(fmt.Sprintf("%g msg/s", s.Rate), s)
		}
	case r.Fanout != nil:
		l.comparison(*r.Fanout)
	case r.Quiet != nil:
		l.comparison(FanoutResult(*r.Quiet))
	case r.Pair != nil:
		l.latency("alone", r.Pair.Alone)
		l.latency("beside the flood", r.Pair.Beside)
	case r.Storm != nil:
		l.spread("", "all back, s", r.Storm.Seconds)
		calm, storm := r.Storm.traffic()
		l.spread("before the cut", "p99, ms", calm)
		l.spread("until all are back", "p99, ms", storm)
	case r.Slow != nil:
		l.latency("without stuck clients", r.Slow.Without.Latency)
		l.latency("with stuck clients", r.Slow.With.Latency)
		l.add("", "memory per stuck client, bytes", max(0, r.Slow.PeakPerStuck))
	case r.Big != nil:
		l.add("", "memory left per client, bytes", max(0, r.Big.PerClient))
	default:
		l.other(r)
	}
	return l
}

func (l *figureList) other(r *Report) {
	switch {
	case r.Echo != nil:
		l.latency("", r.Echo.Latency)
		l.add("", "server CPU per answer, µs", r.Echo.CPU)
		l.more("", "answers a second", r.Echo.PerSecond)
		l.count("", "lost, doubled or reordered", r.Echo.Lost+r.Echo.Duplicates+r.Echo.Reordered)
	case r.Rooms != nil:
		l.rooms(*r.Rooms)
	case r.Restart != nil:
		serving, last := r.Restart.spreads()
		l.spread("", "serving, s", serving)
		l.spread("", "all recovered, s", last)
		l.count("", "not recovered", r.Restart.wrong())
	case r.Million != nil:
		l.million(*r.Million)
	case r.Rate != nil:
		l.more("", "rate within the bound, msg/s", r.Rate.Held)
	case r.Churn != nil:
		l.flood("", r.Churn.Stayers)
		l.add("", "handshake p99, ms", r.Churn.Transients.Handshake.P99)
		l.count("", "refused", int64(r.Churn.Transients.Refused))
	case r.Soak != nil:
		var p99 []float64
		for _, s := range r.Soak.Segments {
			p99 = append(p99, s.Latency.P99)
		}
		l.spread("", "p99, ms", stat.SpreadOf(p99))
		l.count("", "lost, doubled or reordered", r.Soak.Lost+r.Soak.Duplicates+r.Soak.Reordered)
		l.add("", "memory growth, MB an hour", max(0, r.Soak.Drift.RSS.PerHour/1e6))
	}
}

func (l *figureList) million(r MillionResult) {
	n := float64(max(1, r.Clients))
	l.more("", "clients", float64(r.Clients))
	l.more("", "connects a second", r.PerSec)
	l.add("server", "memory per client, bytes", float64(r.ServerFull-r.ServerEmpty)/n)
	l.add("client", "memory per client, bytes", float64(r.ClientFull-r.ClientEmpty)/n)
	l.add("kernel, both ends", "memory per client, bytes", float64(r.Kernel.Sum())/n)
	if r.Hold != nil {
		l.add("", "idle CPU per client, µs a second", r.Hold.CPU)
	}
	l.spread("one lobby after the other", "last client, ms", r.Last)
	l.add("all lobbies at once", "last client, ms", r.AllLast)
	l.count("", "lost", int64(r.Lost))
}

func (l *figureList) comparison(r FanoutResult) {
	for i, s := range []FanoutSide{r.Server, r.Floor} {
		where := []string{"server", "floor"}[i]
		l.spread(where, "median client, ms", s.Median)
		l.spread(where, "last client, ms", s.Last)
		l.spread(where, "server CPU per delivery, µs", s.CPU)
	}
	l.spread("", "CPU, times the floor's", r.CPURatio)
	l.spread("", "last client, times the floor's", r.LastRatio)
}

// Latencies returns the distributions of a report with their cases.
func (r *Report) Latencies() (names []string, all []stat.Latency) {
	add := func(name string, l stat.Latency) { names, all = append(names, name), append(all, l) }
	steps := r.Flood
	switch {
	case r.Rate != nil:
		steps = r.Rate.Steps
	case r.Echo != nil:
		add("", r.Echo.Latency)
	case r.Churn != nil:
		add("clients that stay", r.Churn.Stayers.Latency)
		add("handshakes", r.Churn.Transients.Handshake)
	case r.Soak != nil && len(r.Soak.Segments) > 0:
		add("first part", r.Soak.Segments[0].Latency)
		add("last part", r.Soak.Segments[len(r.Soak.Segments)-1].Latency)
	case r.Pair != nil:
		add("alone", r.Pair.Alone)
		add("beside the flood", r.Pair.Beside)
	case r.Slow != nil:
		add("without stuck", r.Slow.Without.Latency)
		add("with stuck", r.Slow.With.Latency)
	}
	for _, s := range steps {
		add(fmt.Sprintf("%g msg/s", s.Rate), s.Latency)
	}
	if r.Rooms != nil {
		for i := range r.Rooms.Steps {
			add(r.Rooms.Steps[i].Name(), r.Rooms.Steps[i].Server.Latency)
		}
	}
	return names, all
}

// Name returns the label of the report or, without one, the program of the server.
func (r *Report) Name() string {
	if r.Label != "" {
		return r.Label
	}
	for _, word := range strings.Fields(r.Conditions.Server) {
		switch base := path.Base(word); {
		case base == "sh" || base == "env" || word[0] == '-' || strings.Contains(word, "="):
		default:
			return base
		}
	}
	return r.Conditions.URL
}
