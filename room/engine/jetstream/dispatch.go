package jetstream

import (
	"context"
	"strconv"

	"github.com/nats-io/nats.go"
)

// maxBatch is how many messages dispatch takes at once. With Config.Commit they wait for one commit.
const maxBatch = 1024

// dispatch gives the messages of the server to the topics.
func (e *Engine) dispatch() {
	batch := make([]*nats.Msg, 0, maxBatch)
	for m := range e.incoming {
		batch = append(batch[:0], m)
	more:
		for len(batch) < maxBatch {
			select {
			case m, ok := <-e.incoming:
				if !ok {
					break more
				}
				batch = append(batch, m)
			default:
				break more
			}
		}
		failed := e.uncommitted(batch)
		for i, m := range batch {
			if p := e.pause.Load(); p != nil && m == p.mark {
				if !p.rest(e.ctx) {
					return // nobody may be called any more
				}
				continue
			}
			e.arrived(m, failed[m.Header.Get(hdrStream)] != nil)
			batch[i] = nil
		}
	}
}

// uncommitted waits until the messages of a batch may be delivered, and returns the streams for which that has failed.
func (e *Engine) uncommitted(batch []*nats.Msg) map[string]error {
	failed := e.disk.WaitAll(func(yield func(string) bool) {
		for _, m := range batch {
			if !yield(m.Header.Get(hdrStream)) {
				return
			}
		}
	})
	for _, err := range failed {
		e.failed("the store cannot write to the disk", "", err)
	}
	return failed
}

// arrived gives one message to its topic. If it may not be delivered yet, the topic reads it from the log
// later.
func (e *Engine) arrived(m *nats.Msg, later bool) {
	t := e.topics.live(m.Subject)
	if t == nil {
		return
	}
	seq, err := strconv.ParseUint(m.Header.Get(hdrSeq), 10, 64)
	if err != nil {
		e.notice(t, m)
		return
	}
	if later {
		t.reaches(seq)
		return
	}
	prev, _ := strconv.ParseUint(m.Header.Get(hdrPrev), 10, 64)
	t.arrived(seq, prev, m.Data)
}

// The headers with which the server sends a stored message.
const (
	hdrStream = "Nats-Stream"
	hdrSeq    = "Nats-Sequence"
	hdrPrev   = "Nats-Last-Sequence"
)

// pause makes dispatch rest.
type pause struct {
	mark    *nats.Msg // dispatch rests when it comes to this message
	reached chan struct{}
	over    chan struct{}
}

// pauseDispatch waits until everything that has arrived was given to the topics, and dispatch rests, or until ctx ends.
func (e *Engine) pauseDispatch(ctx context.Context) error {
	p := &pause{mark: new(nats.Msg), reached: make(chan struct{}), over: make(chan struct{})}
	e.pause.Store(p)
	select {
	case e.incoming <- p.mark:
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

// rest waits until the pause is over. It reports false if the engine ends first.
func (p *pause) rest(ctx context.Context) bool {
	close(p.reached)
	select {
	case <-p.over:
		return true
	case <-ctx.Done():
		return false
	}
}
