package load

import (
	"strings"

	"webim/bench/client"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Guard tells from CPU times whether the client was the bottleneck of a measurement.
//
// It was in three cases: a receiving thread was busy all the time; all cores were busy, and the client used more of them
// than the server and than all others; or the sending thread woke late, by a large part of the measured latency.
type Guard struct {
	load    Load
	server  proc.Process
	at      int64
	threads []int64
	client  int64
	cpu     int64
	machine int64
}

// StartGuard reads the CPU times at the start of a measurement.
func StartGuard(l Load, server proc.Process) *Guard {
	return &Guard{l, server, stat.Now(), l.Busy(), l.CPU(), server.CPU(), proc.MachineBusy()}
}

// Usage returns the CPU time used since StartGuard.
func (g *Guard) Usage() report.Usage {
	wall := float64(max(stat.Now()-g.at, 1))
	u := report.Usage{Seconds: wall / 1e9, Server: float64(g.server.CPU()-g.cpu) / wall, Client: float64(g.load.CPU()-g.client) / wall}
	u.Others = max(0, float64(proc.MachineBusy()-g.machine)/wall-u.Server-u.Client)
	for i, b := range g.load.Busy() {
		if i >= len(g.threads) {
			break
		}
		u.Thread = max(u.Thread, float64(b-g.threads[i])/wall)
	}
	return u
}

// Remark adds notes about anything else that makes the figures worse.
func (g *Guard) Remark(r *report.Report, u report.Usage) {
	if u.Others > 0.15 {
		r.Note(report.OthersBusy+" %.2f cores meanwhile: the server is better than these figures", u.Others)
	}
	for what, n := range g.load.Failures() {
		if why, ok := strings.CutPrefix(what, client.RefusedMessage); ok {
			r.Note("the server refused %d messages, which count as lost: %s", n, why)
		}
		if why, ok := strings.CutPrefix(what, client.GoneMessage); ok {
			r.Note("the server closed %d clients: %s", n, why)
		}
	}
	if !g.server.Alive() {
		r.Note("the server's process %d has ended: the figures of CPU and memory have no meaning", r.Conditions.ServerPID)
	}
}

// ServerCPU returns the CPU time that the server has used since StartGuard, in nanoseconds.
func (g *Guard) ServerCPU() int64 { return g.server.CPU() - g.cpu }
