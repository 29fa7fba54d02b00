package jetstream

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
)

// The history of a room is removed by an entry of the State, which says up to which offset, the cut, and
// how often that was done: a number in the epoch of the room. No reader goes behind the cut, so it does not
// matter that the messages before it leave the stream later.

// tableCut has the cuts. Of: room, Name: token of the class, because each class has offsets of its own.
const tableCut = "cut"

// A cut says up to which offset the history of a room was removed, and how often.
type cut struct {
	times  uint64
	offset uint64
}

func (c cut) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, c.times), c.offset)
}

func decodeCut(b []byte) (c cut) {
	times, n := binary.Uvarint(b)
	if n <= 0 {
		return c
	}
	offset, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return c
	}
	return cut{times, offset}
}

// cuts has all cuts in memory. It has a mutex of its own because a topic reads it while it is locked, when
// it must not call the State.
type cuts struct {
	mu  sync.Mutex // innermost
	all map[cutKey]cut
}

type cutKey struct{ room, class string }

func (s *cuts) get(room, class string) cut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[cutKey{room, class}]
}

// change is the watcher of the table.
func (s *cuts) change(is engine.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := cutKey{is.Of, is.Name}
	if is.Value == nil {
		delete(s.all, k)
		return
	}
	if s.all == nil {
		s.all = map[cutKey]cut{}
	}
	s.all[k] = decodeCut(is.Value)
}

// cutChanged follows a change of a cut.
func (e *Engine) cutChanged(_, is engine.Entry) {
	e.cuts.change(is)
	if e.following.Load() {
		e.jobs.Go(func() {
			if t := e.topic(is.Of); t != nil {
				t.check()
			}
		})
	}
}

// RemoveHistory implements engine.Log. The messages leave the stream, but the server overwrites their bytes
// on the disk only in time. Redact does so at once.
func (e *Engine) RemoveHistory(room string, done func(error)) {
	if err := e.unavailable(); err != nil {
		done(err)
		return
	}
	e.jobs.Go(func() { done(e.removeHistory(room)) })
}

// maxCutTries is how often a node tries to write a cut while other nodes write it.
const maxCutTries = 8

func (e *Engine) removeHistory(room string) error {
	c := e.class(room)
	if err := e.ready(c); err != nil {
		return err
	}
	last, err := e.lastOf(c, room)
	if err != nil {
		return err
	}
	t := e.topic(room)
	if _, offset := e.epochOf(c, room); t == nil && last.offset <= offset {
		return nil // there is nothing to remove, and nobody to tell
	}
	// A power cut must not take back messages before the cut: others would get their offsets.
	if err := e.commit(c.stream); err != nil {
		return err
	}
	k := engine.Key{Table: tableCut, Of: room, Name: c.token}
	for range maxCutTries {
		is := e.state.Entry(k)
		was := decodeCut(is.Value)
		now := cut{was.times + 1, max(was.offset, last.offset)}
		if err = e.put(engine.Entry{Key: k, Value: now.encode(), Version: is.Version}); err != engine.ErrVersion {
			break
		}
	}
	if err != nil {
		return err
	}
	if t != nil {
		t.check()
	}
	e.removeBefore(c, room, last.offset)
	return nil
}

// removeBefore frees the space of a removed history. If that fails, the messages stay until they are too
// old, and nobody can read them.
func (e *Engine) removeBefore(c *class, room string, offset uint64) {
	if offset == math.MaxUint64 {
		return
	}
	if err := e.stream(c).Purge(e.ctx, jetstream.WithPurgeSubject(c.subject(room)), jetstream.WithPurgeSequence(offset+1)); err != nil {
		e.failed("a removed history still takes space", room, err)
	}
	for {
		s, ok := e.stubFrom(c, room, 0)
		if !ok || s.Seq > offset {
			return
		}
		if err := e.wait(func(done func(error)) { e.Delete(stubKey(c, room, s.Seq), engine.AnyVersion, done) }); err != nil {
			e.failed("a removed history still takes space", room, err)
			return
		}
	}
}
