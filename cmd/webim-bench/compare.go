package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"webim/bench/page"
	"webim/bench/report"
)

// compareCmd compares runs written with --json.
type compareCmd struct {
	Before string  `arg:"" help:"File with the reports before: one report, or several one after the other (--runs 5 --json FILE, or cat)." type:"existingfile"`
	After  string  `arg:"" help:"File with the reports after, in the same form." type:"existingfile"`
	Noise  float64 `default:"5" help:"Ignore changes of up to this percentage."`
}

// run returns exitFailed if a figure got worse, for scripts.
func (c compareCmd) run(html string) int {
	before, err := report.ReadReports(c.Before)
	if err != nil {
		return fail(err)
	}
	after, err := report.ReadReports(c.After)
	if err != nil {
		return fail(err)
	}
	all, err := report.Compare(before, after, c.Noise/100)
	if err == nil {
		err = all.WriteText(os.Stdout)
	}
	if err == nil && html != "" {
		for i, r := range before {
			r.Label = fmt.Sprintf("before %d", i+1)
		}
		for i, r := range after {
			r.Label = fmt.Sprintf("after %d", i+1)
		}
		err = writeFile(html, func(w io.Writer) error { return page.WriteHTML(w, slices.Concat(before, after)) })
	}
	if err == nil && all.Worse() {
		return exitFailed
	}
	return fail(err)
}
