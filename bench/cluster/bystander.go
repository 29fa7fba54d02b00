package cluster

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/load"
)

// Bystander is a load.Bystander in a worker process. What this process does meanwhile delays it only by the CPU that it
// takes, and not by its garbage collector and its goroutines.
type Bystander struct{ worker *Worker }

// bystanderRequest describes a bystander; see load.StartBystander.
type bystanderRequest struct {
	Config  client.Config // without its functions, which gob does not send
	Room    string
	Rate    float64
	Longest time.Duration
}

// StartBystander is load.StartBystander in a process of its own, which ends with this one. Stop the bystander.
func StartBystander(ctx context.Context, cfg client.Config, room string, rate float64, longest time.Duration) (*Bystander, error) {
	m, err := startWorker(cfg.Worker, 1)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _, _ = m.call(request{Do: doCancel}) })()
	if _, err := m.do(request{Do: doBystand, Bystander: &bystanderRequest{cfg, room, rate, longest}}); err != nil {
		m.stop()
		return nil, err
	}
	return &Bystander{m}, nil
}

// Stop ends the sending, waits for the missing messages, at most grace, and returns the result. It ends the process. The
// error says how the process ended, if it did so before; then nothing is known of the messages.
func (b *Bystander) Stop(grace time.Duration) (load.Seen, error) {
	defer b.worker.stop()
	a, err := b.worker.do(request{Do: doSeen, Grace: grace})
	if err != nil {
		return load.Seen{}, err
	}
	return *a.Seen, nil
}
