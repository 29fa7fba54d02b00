package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"webim/bench/option"
	"webim/bench/stat"
)

// The verdicts on a Change.
const (
	Same   = "same"
	Better = "better"
	Worse  = "worse"
)

// Change is the change of a figure between two sets of runs.
type Change struct {
	Name    string
	Before  stat.Spread // over the runs
	After   stat.Spread
	Percent float64 // of the medians; infinite if the figure was zero before
	Verdict string
}

// Comparison has all changes, in the order of the figures.
type Comparison struct {
	Changes  []Change
	Warnings []string // reasons why the two sets may not be comparable
}

// Worse reports whether any figure got worse.
func (c Comparison) Worse() bool {
	return slices.ContainsFunc(c.Changes, func(c Change) bool { return c.Verdict == Worse })
}

// ReadReports reads a file with one report, or several reports of the same measurement one after the other.
func ReadReports(name string) (all []*Report, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		r := &Report{}
		if err := d.Decode(r); err == io.EOF && len(all) > 0 {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s is not a report that webim-bench --json wrote: %w", name, err)
		}
		if r.Schema != Schema {
			return nil, fmt.Errorf("%s has the schema %q, and this program reads %q: measure again, or use the webim-bench that wrote it", name, r.Schema, Schema)
		}
		all = append(all, r)
	}
}

// Compare returns the changes between two sets of runs. A figure has changed if the ranges of the two sets do not touch,
// and if the medians differ by more than noise (0.05 is 5 %), because the ranges of few runs are narrow by chance.
func Compare(before, after []*Report, noise float64) (Comparison, error) {
	var c Comparison
	for _, r := range slices.Concat(before, after) {
		if r.Scenario != before[0].Scenario {
			return c, option.Bad("a run of %s cannot be compared with a run of %s: give runs of one scenario", before[0].Scenario, r.Scenario)
		}
	}
	c.warn(before, after)
	olds, news := runsOf(before), runsOf(after)
	for _, f := range olds.order {
		if a, b := olds.spread[f], news.spread[f]; news.has(f) {
			change := Change{Name: f, Before: a, After: b, Percent: percent(a.Median, b.Median)}
			change.Verdict = verdict(a, b, noise, olds.more[f])
			c.Changes = append(c.Changes, change)
		} else {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%q was only measured before", f))
		}
	}
	if len(c.Changes) == 0 {
		return c, option.Bad("the files have no figure in common: were the options the same?")
	}
	return c, nil
}

// verdict judges one figure.
func verdict(before, after stat.Spread, noise float64, more bool) string {
	apart := after.Min > before.Max || after.Max < before.Min
	if !apart || math.Abs(after.Median-before.Median) <= noise*math.Abs(before.Median) {
		return Same
	}
	if (after.Median > before.Median) == more {
		return Better
	}
	return Worse
}

func percent(before, after float64) float64 {
	if before == after {
		return 0
	}
	return 100 * (after - before) / before
}

// runs has the figures of several runs by name.
type runs struct {
	order  []string
	spread map[string]stat.Spread
	more   map[string]bool
}

func (r runs) has(name string) bool { _, ok := r.spread[name]; return ok }

// runsOf returns the figures of runs. For several runs, the spread is that of their values; for a single run, it is the
// spread within the run.
func runsOf(all []*Report) runs {
	r := runs{spread: map[string]stat.Spread{}, more: map[string]bool{}}
	values := map[string][]float64{}
	for _, report := range all {
		for _, f := range report.Figures() {
			name := f.Name()
			if values[name] == nil {
				r.order, r.more[name] = append(r.order, name), f.More
			}
			values[name] = append(values[name], f.Value)
			if len(all) == 1 && f.Spread != (stat.Spread{}) {
				r.spread[name] = f.Spread
			}
		}
	}
	for name, v := range values {
		if !r.has(name) {
			r.spread[name] = stat.SpreadOf(v)
		}
	}
	return r
}

// warn adds a warning for every condition in which the two sets differ.
func (c *Comparison) warn(before, after []*Report) {
	if len(before) < 3 || len(after) < 3 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d runs before and %d after: give at least three of each (--runs 3), because fewer do not show the noise", len(before), len(after)))
	}
	first := before[0].Conditions
	differ := map[string]bool{}
	for _, r := range slices.Concat(before, after) {
		x := r.Conditions
		differ["kernels"] = differ["kernels"] || x.Kernel != first.Kernel
		differ["machines"] = differ["machines"] || x.CPU != first.CPU || x.Cores != first.Cores
		differ["congestion controls"] = differ["congestion controls"] || x.Congestion != first.Congestion
		differ["options"] = differ["options"] || !reflect.DeepEqual(x.Options, first.Options)
		differ["terms of the handshake"] = differ["terms of the handshake"] || x.Compressed != first.Compressed || x.Subprotocol != first.Subprotocol
		if r.Limited() {
			differ["limits: in some runs the client was the limit"] = true
		}
		if r.Interrupted {
			differ["lengths: some runs were interrupted"] = true
		}
	}
	for _, what := range []string{"kernels", "machines", "congestion controls", "options", "terms of the handshake",
		"limits: in some runs the client was the limit", "lengths: some runs were interrupted"} {
		if differ[what] {
			c.Warnings = append(c.Warnings, "the runs have different "+what)
		}
	}
}

// WriteText writes the warnings, and the changes as a table.
func (c Comparison) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "figure\tbefore: median (min–max)\tafter\tchange\tverdict")
	for _, x := range c.Changes {
		change := fmt.Sprintf("%+.1f %%", x.Percent)
		if math.IsInf(x.Percent, 0) {
			change = "from zero"
		}
		show := func(s stat.Spread) string {
			return fmt.Sprintf("%s (%s–%s)", stat.Figure(s.Median), stat.Figure(s.Min), stat.Figure(s.Max))
		}
		fmt.Fprintln(tw, strings.Join([]string{x.Name, show(x.Before), show(x.After), change, x.Verdict}, "\t"))
	}
	tw.Flush()
	_, err := w.Write(b.Bytes())
	return err
}
