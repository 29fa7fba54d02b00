package cluster

import (
	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/proc"
)

// NewLoad creates n clients, all absent, in this process or in worker processes. Close it.
func NewLoad(cfg client.Config, n int) (load.Load, error) {
	if p := processesFor(cfg, n); p > 0 {
		return New(cfg, n, p)
	}
	return load.NewLocal(cfg, n, cfg.Receivers)
}

// processesFor returns the number of worker processes for n clients; 0 means this process.
func processesFor(c client.Config, n int) int {
	if c.Processes == 0 && n > proc.MaxClients() {
		return (n + proc.MaxClients() - 1) / proc.MaxClients()
	}
	return c.Processes
}
