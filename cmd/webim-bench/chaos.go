package main

import (
	"context"
	"fmt"
	"os"

	"webim/bench/chaos"
)

// chaosCmd runs webim and NATS under faults.
type chaosCmd struct {
	chaos.Options `embed:""`
}

// run makes one run. The exit code says whether anything was violated.
func (c chaosCmd) run(ctx context.Context) int {
	if err := raiseFiles(); err != nil {
		return fail(err)
	}
	r, err := chaos.Run(ctx, c.Options, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		if r != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "webim-bench: seed %d: see %s\n", r.Seed, r.Dir)
		}
		return fail(err)
	}
	if err := r.WriteText(os.Stdout); err != nil {
		return fail(err)
	}
	if !r.Holds() {
		return exitFailed
	}
	return 0
}
