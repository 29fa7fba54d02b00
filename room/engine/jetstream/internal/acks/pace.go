package acks

import (
	"context"
	"time"
)

// A message that is written by itself wakes a dozen goroutines on its way, in this process and in the server: that takes
// more CPU time than storing it. Messages that are written together share these costs.

// enough is the number of messages that share the costs so well that there is no pause after them.
const enough = 64

// Pace sets a function that tells how long messages gather in the queue after some were written. Without it there
// is no pause. It is called on the goroutine that writes.
func (p *Publisher) Pace(pause func() time.Duration) { p.pause.Store(&pause) }

// rest waits after so many messages were written together.
func (p *Publisher) rest(written int) {
	if pause := p.pause.Load(); pause != nil && written < enough {
		time.Sleep((*pause)())
	}
}

// Flush returns when all messages that were given before are written to the connection, or have ended, or when ctx ends.
func (p *Publisher) Flush(ctx context.Context) error {
	written := make(chan struct{})
	p.mu.Lock()
	ok := p.addLocked(Message{Done: func(Ack, error) { close(written) }}, false)
	p.mu.Unlock()
	if !ok {
		return ErrUnavailable
	}
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
