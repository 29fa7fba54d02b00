package load

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stat"
)

// Load is a set of clients that a scenario uses: [Local] in this process, or a cluster of worker processes. Its methods
// are for one goroutine.
type Load interface {
	Dial(ctx context.Context, from, to int) (failed int, err error) // connects the absent ones of [from, to)
	Open() int
	Failures() map[string]int // number of failures by their text
	Gone() int                // open clients that the server or the network has closed
	Close()

	Pings() int64      // number of pings that the clients have received
	CPU() int64        // of all client processes, in nanoseconds
	Sample(s *Sampler) // makes s follow every run from now on
	Size() int
	Agreed() (t client.Terms, ok bool) // terms of the first client's handshake; ok is false if they are unknown
	Busy() []int64                     // CPU time of each receiving thread, in nanoseconds
	Config() client.Config
	Flood(s Schedule, size option.Size, nap time.Duration) (Run, error)
	Singles(size option.Size) (Singles, error)
}

// Run is a running flood.
type Run interface {
	Received() int64   // deliveries so far
	Halt()             // stops sending
	SoFar() *stat.Hist // the latencies so far
	Collect() *Totals  // ends sending and checking
}

// Singles sends single messages to all clients: the next one when all clients have received the last one.
type Singles interface {
	Send(ctx context.Context) (report.Round, error)
	Reach() int // number of open clients
}

// Totals are the counters of a run, of all senders and receivers.
type Totals struct {
	Counts
	Sent   int
	Held   int   // messages of which the socket accepted no byte at once
	Unsent int   // messages that were not sent until the end
	Lag    int64 // how late the sending threads woke, as p99 in nanoseconds
}

// failing is a load or a run that can lose a part of its clients' processes.
type failing interface{ Fault() error }

// FaultOf returns the first lost process of a load or a run as an error; nil if none was lost.
func FaultOf(l any) error {
	if f, ok := l.(failing); ok {
		return f.Fault()
	}
	return nil
}

// PollEvery is the pause between two looks at counters that other threads change.
const PollEvery = 2 * time.Millisecond
