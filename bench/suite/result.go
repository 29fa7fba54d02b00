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

// Results are what all runs gave.
type Results struct {
	Stages  []StageResult
	LeftOut []string // one sentence for each server that could not take part
	Notes   []string
	Runs    int // repetitions that were begun
	Partial bool
}

// StageResult is one stage, of all servers.
type StageResult struct {
	Name    string
	What    string         // the load, in a sentence
	Servers []ServerResult // webim first
	show    []string
}

// ServerResult is the runs of one server.
type ServerResult struct {
	Name, What string
	Runs       []*report.Report // of the repetitions, in order; nil where it has none
	Failed     string           // why there are no more; empty: nothing went wrong
}

// failure says why a server need not run a stage again: it did not end, could not be measured, or did not keep up by far.
func failure(r *report.Report, err error, s stage) string {
	const most = 0.1 // of the deliveries may be lost; who loses more says nothing by its latency either
	switch {
	case errors.Is(err, context.DeadlineExceeded) || r != nil && r.Interrupted:
		return fmt.Sprintf("was not done after %s", s.limit)
	case err != nil:
		return err.Error()
	}
	for _, lost := range losses(r) {
		if lost > most {
			return fmt.Sprintf("does not keep up: %.0f %% of the deliveries did not come", 100*lost)
		}
	}
	return ""
}

// disturbances sums up in how many runs other processes were busy.
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
		r.note("in %d of %d runs other processes were busy too: figures are worse than the servers are; ratios suffer less", disturbed, all)
	}
}

func (r *Results) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) && len(r.Notes) < 40 {
		r.Notes = append(r.Notes, text)
	}
}

// figures returns a figure of all runs, by its name: NaN where there is none.
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

// measured are those that there are.
func measured(v []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(v), math.IsNaN)
}

// losses are the shares of the deliveries that did not come, of each step.
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
