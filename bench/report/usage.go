package report

import (
	"fmt"
	"runtime"

	"webim/bench/stat"
)

// Usage has the processor cores that server, client and all others used.
type Usage struct {
	Seconds float64 `json:"seconds"`
	Server  float64 `json:"server_cores"`
	Client  float64 `json:"client_cores"`
	Others  float64 `json:"other_cores"`
	Thread  float64 `json:"busiest_receiver"` // share of the time
}

// ClientLimits returns the reasons why the client was the bottleneck. lag is how late the sending thread woke, and latency
// is the measured one, both as p99 in nanoseconds; they are zero if there are none.
func (u Usage) ClientLimits(lag, latency int64) (why []string) {
	if u.Thread > 0.9 {
		why = append(why, fmt.Sprintf("a receiving thread was busy %.0f %% of the time: increase --receivers", 100*u.Thread))
	}
	if cores := float64(runtime.NumCPU()); u.Server > 0 && u.Server+u.Client+u.Others > 0.97*cores && u.Client > max(u.Server, u.Others) {
		why = append(why, fmt.Sprintf("all %.0f cores were busy and the client used %.2f of them, the server %.2f: use a bigger machine, or two machines", cores, u.Client, u.Server))
	}
	if lag > 10e6 && lag > latency/4 {
		why = append(why, fmt.Sprintf("the sending thread woke %.0f ms late (p99), which is a large part of the latency of %.0f ms", stat.MS(lag), stat.MS(latency)))
	}
	return why
}

// OthersBusy is the beginning of the note that other processes used the machine.
const OthersBusy = "other processes used"
