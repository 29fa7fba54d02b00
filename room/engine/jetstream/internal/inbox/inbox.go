// Package inbox has the messages of the server that wait for their topics, in their order. They can be paused, while a node moves
// to another process.
package inbox

import (
	"context"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// maxBatch is how many messages Take returns at once.
const maxBatch = 1024

// Inbox has the messages. One goroutine calls Take and Rest; any goroutine may call the other methods.
type Inbox struct {
	// C takes the messages. Its owner closes it when no more come.
	C chan *nats.Msg

	pause atomic.Pointer[pause]
}

// New makes an Inbox in which this many messages may wait.
func New(most int) *Inbox { return &Inbox{C: make(chan *nats.Msg, most)} }

// pause makes the goroutine that takes messages rest.
type pause struct {
	mark    *nats.Msg // it rests when it comes to this message
	reached chan struct{}
	over    chan struct{}
}

// Take waits for messages, and returns those that are there in place of the ones in batch. It reports false when C is closed and
// empty.
func (b *Inbox) Take(batch []*nats.Msg) ([]*nats.Msg, bool) {
	m, ok := <-b.C
	if !ok {
		return nil, false
	}
	for batch = append(batch[:0], m); len(batch) < maxBatch; batch = append(batch, m) {
		select {
		case m, ok = <-b.C:
			if !ok {
				return batch, true
			}
		default:
			return batch, true
		}
	}
	return batch, true
}

// Rest waits for Resume if m is no message, but the mark of a pause. ended is true if ctx has ended first.
func (b *Inbox) Rest(ctx context.Context, m *nats.Msg) (isMark, ended bool) {
	p := b.pause.Load()
	if p == nil || m != p.mark {
		return false, false
	}
	close(p.reached)
	select {
	case <-p.over:
		return true, false
	case <-ctx.Done():
		return true, true
	}
}

// Pause waits until everything that has come before was taken, and the goroutine that takes it rests, or until ctx ends. Resume
// has to follow, also after an error.
func (b *Inbox) Pause(ctx context.Context) error {
	p := &pause{mark: new(nats.Msg), reached: make(chan struct{}), over: make(chan struct{})}
	b.pause.Store(p)
	select {
	case b.C <- p.mark:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-p.reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// IsPaused reports whether Pause was called, and Resume was not.
func (b *Inbox) IsPaused() bool { return b.pause.Load() != nil }

// Resume ends a pause, if there is one.
func (b *Inbox) Resume() {
	if p := b.pause.Swap(nil); p != nil {
		close(p.over)
	}
}
