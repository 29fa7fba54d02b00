package jetstream

import (
	"github.com/nats-io/nats.go"
)

// With Config.Commit nobody sees a publication that is not on the disk: neither its publisher, nor the
// members of the room. Otherwise a power cut could take back what they have seen, and its offset would come
// again with another message.

// whenStored calls done when what the store has acknowledged in a stream may be told to whoever sent it.
func (e *Engine) whenStored(stream string, done func(error)) {
	if e.cfg.Commit == nil {
		done(nil)
		return
	}
	e.cfg.Commit(stream, done)
}

// commit waits until everything in a stream may be delivered.
func (e *Engine) commit(stream string) error {
	if e.cfg.Commit == nil {
		return nil
	}
	return e.wait(func(done func(error)) { e.cfg.Commit(stream, done) })
}

// commitAll waits until the messages of a batch may be delivered. It returns the streams for which that has
// failed; nil: none.
func (e *Engine) commitAll(batch []*nats.Msg) (failed map[string]bool) {
	if e.cfg.Commit == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, m := range batch {
		stream := m.Header.Get(hdrStream)
		if stream == "" || seen[stream] {
			continue
		}
		seen[stream] = true
		if err := e.commit(stream); err != nil {
			e.failed("the store cannot write to the disk", "", err)
			if failed == nil {
				failed = map[string]bool{}
			}
			failed[stream] = true
		}
	}
	return failed
}
