package load

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Load is clients that a scenario drives: a Fleet in this process, or a Crew of worker processes.
type Load interface {
	Dial(ctx context.Context, from, to int) (failed int, err error) // those of [from, to) that are absent
	Open() int
	Failures() map[string]int // of handshakes, by what went wrong
	Gone() int                // open clients that the server has closed, or the network has
	Close()

	Pings() int64      // that came to all clients
	CPU() int64        // of all processes of the client's side, in nanoseconds
	Sample(s *Sampler) // show s every flood from now on; nil: nobody looks
	Size() int
	Agreed() (t client.Terms, ok bool) // with the first client; ok is false when it is not known
	Busy() []int64                     // CPU time of each thread that reads, in nanoseconds
	Config() client.Config
	Flood(s Schedule, size option.Size, nap time.Duration) (Run, error)
	Singles(size option.Size, server proc.Process) (Singles, error)
}

// Run is a flood under way.
type Run interface {
	Received() int64   // deliveries so far
	Halt()             // sends no more
	SoFar() *stat.Hist // the latencies until now
	Collect() *Totals  // ends it, and the checking
}

// Singles sends single messages to all clients, one when the other has arrived everywhere.
type Singles interface {
	Send(ctx context.Context) (report.Round, error)
	Reach() int // how many clients are there
}

// Totals is what a flood gave, of all senders and receivers.
type Totals struct {
	Counts
	Sent   int
	Held   int   // messages of which the server took nothing at once
	Unsent int   // and nothing at all until the end
	Lag    int64 // how late the sending threads woke, p99 in nanoseconds
}

// failing is a load that can lose a part of itself.
type failing interface{ Fault() error }

// FaultOf says what was lost of a load, if anything.
func FaultOf(l any) error {
	if f, ok := l.(failing); ok {
		return f.Fault()
	}
	return nil
}

// PollEvery is how often a scenario looks whether its workers are done.
const PollEvery = 2 * time.Millisecond
