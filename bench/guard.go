package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Guard tells whether the client was the limit of a measurement, from what CPU time it took meanwhile.
//
// It says so in three cases: a receiving thread had no pause; all cores were busy, and the client took more of them than the server or anybody else; or
// messages left late because our own sending thread woke late, by much of what the latency says.
type Guard struct {
	load    load
	server  process
	at      int64
	threads []int64
	client  int64
	cpu     int64
	machine int64
}

// Usage is who used how many cores.
type Usage struct {
	Seconds float64 `json:"seconds"`
	Server  float64 `json:"server_cores"`
	Client  float64 `json:"client_cores"`
	Others  float64 `json:"other_cores"`
	Thread  float64 `json:"busiest_receiver"` // share of the time
}

// watch starts a guard.
func watch(l load, server process) *Guard {
	return &Guard{l, server, now(), l.busy(), l.cpu(), server.cpu(), machineBusy()}
}

func ownCPU() int64 {
	ns, _ := readClock(cpuClock(os.Getpid()))
	return ns
}

// usage returns what was used since watch.
func (g *Guard) usage() Usage {
	wall := float64(max(now()-g.at, 1))
	u := Usage{Seconds: wall / 1e9, Server: float64(g.server.cpu()-g.cpu) / wall, Client: float64(g.load.cpu()-g.client) / wall}
	u.Others = max(0, float64(machineBusy()-g.machine)/wall-u.Server-u.Client)
	for i, b := range g.load.busy() {
		if i >= len(g.threads) {
			break
		}
		u.Thread = max(u.Thread, float64(b-g.threads[i])/wall)
	}
	return u
}

// judge returns the reasons why the client was the limit. lag is how late the sending thread woke, latency what was measured, both as p99 in
// nanoseconds; zero where there is none.
func (u Usage) judge(lag, latency int64) (why []string) {
	if u.Thread > 0.9 {
		why = append(why, fmt.Sprintf("a receiving thread was busy %.0f %% of the time: give more --receivers", 100*u.Thread))
	}
	if cores := float64(runtime.NumCPU()); u.Server > 0 && u.Server+u.Client+u.Others > 0.97*cores && u.Client > max(u.Server, u.Others) {
		why = append(why, fmt.Sprintf("all %.0f cores were busy and the client took %.2f of them, the server %.2f: use a bigger machine, or two", cores, u.Client, u.Server))
	}
	if lag > 10e6 && lag > latency/4 {
		why = append(why, fmt.Sprintf("the sending thread woke %.0f ms late (p99), much of the latency of %.0f ms", ms(lag), ms(latency)))
	}
	return why
}

// othersBusy begins the remark that others worked on the machine.
const othersBusy = "other processes used"

// remark notes what else spoils the figures.
func (g *Guard) remark(r *Report, u Usage) {
	if u.Others > 0.15 {
		r.note(othersBusy+" %.2f cores meanwhile: the figures are worse than the server is", u.Others)
	}
	for what, n := range g.load.Failures() {
		if why, ok := strings.CutPrefix(what, refusedMessage); ok {
			r.note("the server refused %d messages, which count as lost: %s", n, why)
		}
		if why, ok := strings.CutPrefix(what, goneMessage); ok {
			r.note("the server closed %d clients: %s", n, why)
		}
	}
	if !g.server.alive() {
		r.note("the server's process %d has ended: the figures of CPU and memory mean nothing", r.Conditions.ServerPID)
	}
}
