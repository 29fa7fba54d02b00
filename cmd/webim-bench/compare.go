package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"webim/bench"
)

// compareCmd compares runs that were written by --json.
type compareCmd struct {
	Before string  `arg:"" help:"Report, or several one after the other (--runs 5 --json FILE, or cat)." type:"existingfile"`
	After  string  `arg:"" help:"And the same of what is compared with it." type:"existingfile"`
	Noise  float64 `default:"5" help:"Changes of up to so many percent count as none, whatever the runs say."`
}

// run ends with exitFailed when something got worse, so that a script can tell.
func (c compareCmd) run(page string) int {
	before, err := bench.ReadReports(c.Before)
	if err != nil {
		return fail(err)
	}
	after, err := bench.ReadReports(c.After)
	if err != nil {
		return fail(err)
	}
	all, err := bench.Compare(before, after, c.Noise/100)
	if err == nil {
		err = all.WriteText(os.Stdout)
	}
	if err == nil && page != "" {
		for i, r := range before {
			r.Label = fmt.Sprintf("before %d", i+1)
		}
		for i, r := range after {
			r.Label = fmt.Sprintf("after %d", i+1)
		}
		err = writeFile(page, func(w io.Writer) error { return bench.WriteHTML(w, slices.Concat(before, after)) })
	}
	if err == nil && all.Worse() {
		return exitFailed
	}
	return fail(err)
}
