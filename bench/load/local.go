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

// Local is a load of clients in this process.
type Local struct {
	*client.Fleet
	sampler *Sampler // follows every run; may be nil
}

// NewLocal creates n clients, all absent, with so many receivers. Close it.
func NewLocal(cfg client.Config, n, receivers int) (*Local, error) {
	f, err := client.NewFleet(cfg, n, receivers)
	if err != nil {
		return nil, err
	}
	return &Local{Fleet: f}, nil
}

func (l *Local) CPU() int64 { return proc.OwnCPU() }

func (l *Local) Sample(s *Sampler) { l.sampler = s }

// MustOpen connects all absent clients, as the function MustOpen does.
func (l *Local) MustOpen(ctx context.Context, r *report.Report) error { return MustOpen(ctx, l, r) }

// Flood makes all clients check the messages of a schedule. The first clients send.
func (l *Local) Flood(s Schedule, size option.Size, nap time.Duration) (Run, error) {
	return StartFlood(l, s, size, nap, l.Clients), nil
}

// Singles makes all clients, which must be open, receive single messages.
func (l *Local) Singles(size option.Size) (Singles, error) {
	return NewSingles(l.Fleet, size, stamp.NewTag()), nil
}
