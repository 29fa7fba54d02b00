package load

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stamp"
)

// Local is clients of this process, as a load.
type Local struct {
	*client.Fleet
	sampler *Sampler // of the report; nil: nobody looks
}

// NewLocal prepares n clients, all absent, on receivers threads. Close it.
func NewLocal(cfg client.Config, n, receivers int) (*Local, error) {
	f, err := client.NewFleet(cfg, n, receivers)
	if err != nil {
		return nil, err
	}
	return &Local{Fleet: f}, nil
}

func (l *Local) CPU() int64 { return proc.OwnCPU() }

func (l *Local) Sample(s *Sampler) { l.sampler = s }

// MustOpen is mustOpen for scenarios that need the clients themselves.
func (l *Local) MustOpen(ctx context.Context, r *report.Report) error { return MustOpen(ctx, l, r) }

// Flood makes all clients tally; the first of them send.
func (l *Local) Flood(s Schedule, size option.Size, nap time.Duration) (Run, error) {
	return StartFlood(l, s, size, nap, l.Clients), nil
}

// Singles makes the clients take part in rounds.
func (l *Local) Singles(size option.Size, server proc.Process) (Singles, error) {
	return NewSingles(l.Fleet, server, size, stamp.NewTag()), nil
}
