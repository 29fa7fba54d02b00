package suite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"webim/bench/report"
)

// Results has the runs of all stages and servers.
type Results struct {
	Stages  []StageResult
	LeftOut []string // one sentence for each server that could not take part
	Notes   []string
	Runs    int // number of repetitions begun
	Partial bool
}

// StageResult has the runs of one stage.
type StageResult struct {
	Name    string
	What    string         // the load, in a sentence
	Servers []ServerResult // the first is webim
	show    []string
}

// ServerResult has the runs of one server.
type ServerResult struct {
	Name, What string
	Runs       []*report.Report // one per repetition; nil if there was no run
	Failed     string           // why there are no more runs, or empty
}

// failure returns why a server must not run a stage again, or "": the run did not end, could not be measured, or lost a
// large part of the deliveries.
func failure(r *report.Report, err error, s stage) string {
	const most = 0.1 // share of the deliveries; with more losses the latency has no meaning, either
	switch {
	case errors.Is(err, context.DeadlineExceeded) || r != nil && r.Interrupted:
		return fmt.Sprintf("did not end within %s", s.limit)
	case err != nil:
		return err.Error()
	}
	for _, lost := range losses(r) {
		if lost > most {
			return fmt.Sprintf("does not keep up: %.0f %% of the deliveries were lost", 100*lost)
		}
	}
	return ""
}

// disturbances adds a note with the number of runs during which other processes were busy.
func (r *Results) disturbances() {
	disturbed, all := 0, 0
	for _, s := range r.Stages {
		for _, v := range s.Servers {
			for _, run := range v.Runs {
				if run == nil {
					continue
				}
				all++
				if slices.ContainsFunc(run.Notes, func(n string) bool { return strings.HasPrefix(n, report.OthersBusy) }) {
					disturbed++
				}
			}
		}
	}
	if disturbed > 0 {
		r.note("in %d of %d runs other processes used the machine: the servers are better than these figures; ratios suffer less", disturbed, all)
	}
}

func (r *Results) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) && len(r.Notes) < 40 {
		r.Notes = append(r.Notes, text)
	}
}

// figures returns a figure of all runs by its name; NaN for a run without it.
func (s ServerResult) figures(name string) (v []float64) {
	for _, r := range s.Runs {
		got := math.NaN()
		if r != nil {
			for _, f := range r.Figures() {
				if f.Name() == name {
					got = f.Value
				}
			}
		}
		v = append(v, got)
	}
	return v
}

// measured returns the values that are not NaN.
func measured(v []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(v), math.IsNaN)
}

// losses returns the share of lost deliveries of each step.
func losses(r *report.Report) (shares []float64) {
	share := func(lost, expected int64) { shares = append(shares, float64(lost)/float64(max(expected, 1))) }
	for _, f := range r.Flood {
		share(f.Lost, f.Expected)
	}
	if r.Rooms != nil {
		for i := range r.Rooms.Steps {
			s := &r.Rooms.Steps[i].Server
			share(s.Lost, s.Expected)
		}
	}
	return shares
}
