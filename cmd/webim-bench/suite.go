package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"webim/bench/client"
	"webim/bench/peer"
	"webim/bench/suite"
)

// suiteCmd compares webim with its peers.
type suiteCmd struct {
	suite.Suite `embed:""`
	Out         string `default:"bin/bench" help:"Folder for the page report.html and for the runs as JSON, for compare." type:"path"`
}

// run builds the peers, runs the comparison, writes the report, and prints the path of the
// page.
func (s suiteCmd) run(ctx context.Context, flags common, cfg client.Config) int {
	root, err := peer.RepositoryRoot(".")
	if err != nil {
		return fail(err)
	}
	if err := raiseFiles(); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return fail(fmt.Errorf("--out: %w", err))
	}
	bar, start := newBar(), time.Now()
	cfg.Progress = bar.show
	s.Log = func(line string) {
		bar.end()
		fmt.Printf("%6s  %s\n", time.Since(start).Round(time.Second), line)
	}
	res, err := s.Run(ctx, cfg, root)
	bar.end()
	if err != nil {
		return fail(err)
	}
	page := filepath.Join(s.Out, "report.html")
	if err = res.WriteText(os.Stdout); err == nil {
		err = res.WriteRuns(s.Out)
	}
	if err == nil {
		err = writeFile(page, res.WriteHTML)
	}
	if err == nil && flags.JSON != "" {
		err = writeFile(flags.JSON, res.WriteJSON)
	}
	if err == nil && flags.HTML != "" {
		err = writeFile(flags.HTML, res.WriteHTML)
	}
	if err != nil {
		return fail(err)
	}
	fmt.Printf("the report: %s\n", page)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return 0
}
