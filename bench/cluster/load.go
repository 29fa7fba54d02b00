package cluster

import (
	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/proc"
)

// NewLoad makes n clients, all absent, in this process or in several.
func NewLoad(cfg client.Config, n int) (load.Load, error) {
	if p := processesFor(cfg, n); p > 0 {
		return New(cfg, n, p)
	}
	return load.NewLocal(cfg, n, cfg.Receivers)
}

// processesFor returns how many worker processes hold n clients; 0: this one does it.
func processesFor(c client.Config, n int) int {
	if c.Processes == 0 && n > proc.MaxClients() {
		return (n + proc.MaxClients() - 1) / proc.MaxClients()
	}
	return c.Processes
}
