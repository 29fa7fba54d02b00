package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Kinds are the kinds of faults, in the order in which the report counts them.
var Kinds = []string{
	killNode, killServer, pauseNode, pauseServer, cutNode, stallNode, stallUp, stallDown,
	isolate, isolateIn, isolateOut, clock, disk, drop,
}

// The kinds of faults. A node is a webim process, and a server a NATS server.
const (
	killNode    = "kill-webim"  // kill -9, and start again
	killServer  = "kill-nats"   // the same
	pauseNode   = "pause-webim" // SIGSTOP, and SIGCONT
	pauseServer = "pause-nats"  // the same
	cutNode     = "cut"         // connections of a node to all servers are reset and refused
	stallNode   = "stall"       // nothing passes between a node and all servers
	stallUp     = "stall-up"    // the servers hear nothing from a node, which hears them
	stallDown   = "stall-down"  // a node hears nothing from the servers, which hear it
	isolate     = "isolate"     // nothing passes between a server and the others
	isolateIn   = "isolate-in"  // a server hears nothing from the others, which hear it
	isolateOut  = "isolate-out" // the other servers hear nothing from a server, which hears them
	clock       = "clock"       // the clock of a node is moved
	disk        = "disk"        // the disk of a server is full; afterwards the server is started again
	drop        = "drop"        // publications on the way from the servers to a node are lost, those at the end of a burst, too
)

// Fault is a planned fault.
type Fault struct {
	At     time.Duration `json:"at"`  // since the beginning of the load
	For    time.Duration `json:"for"` // until it is mended
	Kind   string        `json:"kind"`
	Target int           `json:"target"`          // the number of the node or server
	Reset  bool          `json:"reset,omitempty"` // connections that stood still are reset at the end; otherwise they go on
	Step   time.Duration `json:"step,omitempty"`  // by which the clock is moved
	Share  float64       `json:"share,omitempty"` // of the publications that are lost
}

// String describes the fault, as the report shows it.
func (f Fault) String() string {
	s := fmt.Sprintf("%6.1fs for %4.1fs  %-11s %d", f.At.Seconds(), f.For.Seconds(), f.Kind, f.Target)
	switch {
	case f.Step != 0:
		s += " by " + f.Step.String()
	case f.Share != 0:
		s += fmt.Sprintf(" %.0f %%", f.Share*100)
	case f.Reset:
		s += ", then reset"
	}
	return s
}

// part names the part of the system that a fault takes. Two faults do not take the same part at the same time.
func (f Fault) part() string {
	switch f.Kind {
	case killNode, pauseNode:
		return "node " + strconv.Itoa(f.Target)
	case killServer, pauseServer, disk:
		return "server " + strconv.Itoa(f.Target)
	case cutNode, stallNode, stallUp, stallDown:
		return "link " + strconv.Itoa(f.Target)
	case isolate, isolateIn, isolateOut:
		return "routes" // two servers cut off are no partition, but the end of all majorities
	}
	return f.Kind + " " + strconv.Itoa(f.Target)
}

// Plan returns the faults of a run, in the order of their times. The same arguments have the same plan.
func Plan(seed uint64, length time.Duration, kinds []string) (all []Fault) {
	if len(kinds) == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(rng.Int64N(int64(to-from))) }
	for at := 2 * time.Second; at < length-3*time.Second; at += between(200*time.Millisecond, 3*time.Second) {
		f := Fault{At: at, Kind: kinds[rng.IntN(len(kinds))], Target: rng.IntN(nodes), For: between(500*time.Millisecond, 6*time.Second), Reset: rng.IntN(2) == 0}
		f.For = min(f.For, length-at)
		step, share := between(time.Second, time.Hour), 0.2+0.8*rng.Float64()
		switch f.Kind {
		case clock:
			f.Reset, f.Step = false, step.Round(time.Second)
			if rng.IntN(2) == 0 {
				f.Step = -f.Step
			}
		case drop:
			f.Reset, f.Share = false, share
		case killNode, killServer, pauseNode, pauseServer, cutNode, disk:
			f.Reset = false
		}
		taken := func(other Fault) bool { return other.part() == f.part() && other.At+other.For+time.Second > f.At }
		if !slices.ContainsFunc(all, taken) {
			all = append(all, f)
		}
	}
	return all
}
