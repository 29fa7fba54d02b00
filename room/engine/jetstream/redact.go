package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/stubs"
)

// To redact a publication, its message is deleted from the stream, and its bytes on the disk are
// overwritten. The parts that may stay, without the data, become an entry of the State: the stub. All that read the
// log put stubs back in their places.
//
// The stub is written first. So on the node that redacts there is no moment in which the publication is
// missing.

// stubTime is how much longer a stub is kept than its class keeps messages.
const stubTime = time.Minute

// Redact implements engine.Log.
func (e *Engine) Redact(room string, offsets []uint64, done func(error)) {
	offsets = slices.Clone(offsets)
	e.changeOnJob(done, func() error { return e.redact(room, offsets) })
}

func (e *Engine) redact(room string, offsets []uint64) error {
	c := e.class(room)
	if err := e.ready(c); err != nil {
		return err
	}
	_, cut := e.epochOf(c, room)
	for _, offset := range offsets {
		if offset <= cut {
			continue
		}
		if err := e.redactOne(c, room, offset); err != nil {
			return err
		}
	}
	if t := e.topic(room); t != nil {
		t.redact(offsets)
	}
	return nil
}

// redactOne writes the stub of a publication and deletes its message.
func (e *Engine) redactOne(c *class, room string, offset uint64) error {
	one, err := e.sureAt(c, offset)
	if errors.Is(err, logread.ErrNone) {
		return e.isGone(c, room, offset)
	}
	if err == nil && one.Subject != c.Room(room) {
		return nil
	}
	if err != nil {
		return fault.Of(err)
	}
	was, _ := envelope.Decode(one.Data)
	erased := false // then there is no key to seal the rest
	p, at, err := e.codec.Decode(room, offset, one.Data, true)
	switch {
	case codec.IsDamaged(err):
		p = engine.Publication{Message: engine.Message{Skip: true}, Time: e.now()}
	case err != nil:
		return fault.Of(err)
	case !p.Skip:
		erased = p.Redacted()
		p = p.Redact()
	}
	env := codec.Encode(&p.Message, p.Time, at.Back, at.Depth)
	stub := engine.Entry{Key: stubs.Key(c.Class, room, offset), Version: engine.AnyVersion}
	if c.Age > 0 {
		stub.Expires = p.Time.Add(c.Age + stubTime)
	}
	if err := e.makeSpace(c, room, offset); err != nil {
		return err
	}
	if err := e.putStub(room, stub, env, was.Sealed != nil && !erased); err != nil {
		return err
	}
	return e.overwrite(c, offset)
}

// putStub writes a stub, sealed or not. All entries of the State have one order, so if the key may seal when the copy has the
// stub, the collector of unused keys sees that the stub needs it.
func (e *Engine) putStub(room string, stub engine.Entry, env *envelope.Envelope, sealed bool) error {
	for range maxPuts {
		var s sealing
		again := *env
		if sealed {
			err := e.wait(func(done func(error)) { e.seal(room, &again, nil, func(is sealing, err error) { s = is; done(err) }) })
			if err != nil {
				return fault.Of(err)
			}
		}
		stub.Value = envelope.Append(nil, &again)
		if err := e.put(stub); err != nil || e.isSafe(s) {
			return err
		}
	}
	return engine.ErrUnavailable
}

// makeSpace keeps the stubs within the limit of the State, in which they do not count. Above it, the first stub
// of the room gives way to the new one: that publication then is missing, as one that has become too old.
func (e *Engine) makeSpace(c *class, room string, offset uint64) error {
	if e.cfg.MaxState < 0 || e.state.Beside() <= e.cfg.MaxState {
		return nil
	}
	if first, ok := e.stubs().From(c.Class, room, 0); ok && first.Seq < offset {
		return e.removeStub(c, room, first.Seq)
	}
	return nil
}

// removeStub removes a stub.
func (e *Engine) removeStub(c *class, room string, offset uint64) error {
	return e.wait(func(done func(error)) { e.delete(stubs.Key(c.Class, room, offset), engine.AnyVersion, done) })
}

// overwrite deletes a message, and overwrites its bytes on the disk. It is no error if there is none: another call may
// delete it at the same time. The library does not say why the server has refused, so overwrite looks.
func (e *Engine) overwrite(c *class, offset uint64) error {
	err := e.stream(c).SecureDeleteMsg(e.ctx, offset)
	if err == nil {
		return nil
	}
	if _, gone := e.sureAt(c, offset); errors.Is(gone, logread.ErrNone) {
		return e.isGone(c, "", offset)
	}
	return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
}

// sureAt returns the message at an offset. If there is none, that is proved.
func (e *Engine) sureAt(c *class, offset uint64) (logread.Stored, error) {
	leader := e.read.Leader()
	return leader.Sure(e.ctx, c.Stream, c.Markers(), func() (logread.Stored, error) { return leader.At(e.ctx, c.Stream, offset) })
}

// errBehind is the error for a leader that lacks messages which the store has acknowledged.
var errBehind = fmt.Errorf("%w: the leader of the stream lacks acknowledged messages", engine.ErrUnavailable)

// isGone is called when it is proved that the leader does not have a message that is to be deleted. It returns an error if the
// stream ends before a message that this node knows: the store has lost messages, which the caller has to hear of.
func (e *Engine) isGone(c *class, room string, offset uint64) error {
	known := c.known.Last().Seq
	if t := e.topic(room); t != nil {
		t.mu.Lock()
		if incarnation := c.incarnation.Load(); t.class == c && t.began && incarnation != nil && cuts.Incarnation(t.epoch) == *incarnation {
			known = max(known, t.tip.Offset)
		}
		t.mu.Unlock()
	}
	if offset > known {
		return nil // nobody has said that there is such a message
	}
	info, err := e.stream(c).Info(e.ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	if info.State.LastSeq < offset {
		return errBehind
	}
	return nil
}

// redactedChanged follows a change of a stub.
func (e *Engine) redactedChanged(_, is engine.Entry) {
	if is.Value != nil {
		e.wipes.Note(is.Key)
	}
	if is.Value == nil || !e.following.Load() {
		return
	}
	e.jobs.Go(func() {
		t := e.topic(is.Of)
		if t == nil {
			return
		}
		if offset, ok := stubs.Offset(t.class.Class, is.Name); ok {
			t.redact([]uint64{offset})
		}
	})
}

// redact removes the data from recent publications, and from those that are on their way.
func (t *topic) redact(offsets []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recent.Redact(offsets)
	for _, offset := range offsets {
		if offset > t.tip.Offset && len(t.coming) < maxCatchUp && !slices.Contains(t.coming, offset) {
			t.coming = append(t.coming, offset)
		}
	}
}

func (e *Engine) stubs() stubs.Store { return stubs.Store{State: e.state} }
