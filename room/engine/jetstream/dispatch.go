package jetstream

import (
	"strconv"

	"github.com/nats-io/nats.go"
)

// dispatch gives the messages of the server to the topics. With Config.Commit, those that have come together wait for one commit.
func (e *Engine) dispatch() {
	for batch, ok := e.inbox.Take(nil); ok; batch, ok = e.inbox.Take(batch) {
		failed := e.uncommitted(batch)
		for i, m := range batch {
			isMark, ended := e.inbox.Rest(e.ctx, m)
			if ended {
				return // nobody may be called any more
			}
			if !isMark {
				e.arrived(m, failed[m.Header.Get(hdrStream)] != nil)
			}
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

// arrived handles a publication that the server has sent. prev is the offset of the one before it; 0 says
// nothing: there is none, or it was removed.
func (t *topic) arrived(seq, prev uint64, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || seq <= t.tip.Offset {
		return
	}
	if t.upTo = max(t.upTo, seq); t.catching || !t.began {
		return
	}
	if prev == t.tip.Offset && t.takeLocked(seq, data) == nil {
		return
	}
	t.catchUpLocked()
}

// The headers with which the server sends a stored message.
const (
	hdrStream = "Nats-Stream"
	hdrSeq    = "Nats-Sequence"
	hdrPrev   = "Nats-Last-Sequence"
)
