package main

import (
	"context"
	"os"
	"time"

	"webim/bench/trial"
)

// clusterCmd runs webim nodes on one NATS server.
type clusterCmd struct {
	Listen       []string      `default:"127.0.0.1:9501,127.0.0.1:9511,127.0.0.1:9521" placeholder:"ADDR" help:"Addresses of the nodes: one node for each."`
	Dir          string        `default:".webim-cluster" help:"Folder for the messages and the other files."`
	Webim        string        `default:"bin/webim" help:"The program of the nodes."`
	RestartDelay time.Duration `default:"10s" help:"Time after which a process that has ended by itself starts again."`
}

func (c clusterCmd) run(ctx context.Context) error {
	return trial.Run(ctx, trial.Config{Webim: c.Webim, Listen: c.Listen, Dir: c.Dir, Out: os.Stdout, RestartDelay: c.RestartDelay})
}
