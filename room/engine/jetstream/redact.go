package jetstream

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/logread"
)

// To redact a publication, its message is deleted from the stream, and its bytes on the disk are
// overwritten. What may stay, without the data, becomes an entry of the State: the stub. All that read the
// log put stubs back in their places.
//
// The stub is written first. So on the node that redacts there is no moment in which the publication is
// missing.

// tableRedacted has the stubs. Of: room, Name: token of the class, and the offset in hexadecimal. A value
// is the envelope of the redacted publication.
const tableRedacted = "redacted"

// stubTime is how much longer a stub is kept than its class keeps messages.
const stubTime = time.Minute

func stubKey(c *class, room string, offset uint64) engine.Key {
	return engine.Key{Table: tableRedacted, Of: room, Name: fmt.Sprintf("%s %016x", c.token, offset)}
}

// stubOf returns the stub in an entry, if it belongs to the class.
func stubOf(c *class, entry engine.Entry) (s logread.Stored, ok bool) {
	offset, ok := offsetOf(c, entry.Name)
	return logread.Stored{Seq: offset, Data: entry.Value}, ok && entry.Version != 0
}

// offsetOf returns the offset in the name of a stub, if it belongs to the class.
func offsetOf(c *class, name string) (offset uint64, ok bool) {
	hex, ok := strings.CutPrefix(name, c.token+" ")
	if !ok {
		return 0, false
	}
	offset, err := strconv.ParseUint(hex, 16, 64)
	return offset, err == nil
}

// stubFrom returns the first stub of a room that has this offset or a higher one.
func (e *Engine) stubFrom(c *class, room string, offset uint64) (s logread.Stored, ok bool) {
	after := c.token + " " // is before all names of the class
	if offset > 0 {
		after = stubKey(c, room, offset-1).Name
	}
	for _, entry := range e.state.Entries(tableRedacted, room, after, 1) {
		return stubOf(c, entry)
	}
	return s, false
}

// stubUpTo returns the last stub of a room that has this offset or a lower one.
func (e *Engine) stubUpTo(c *class, room string, offset uint64) (s logread.Stored, ok bool) {
	before := c.token + "!" // is after all names of the class
	if offset < math.MaxUint64 {
		before = stubKey(c, room, offset+1).Name
	}
	return stubOf(c, e.state.Last(tableRedacted, room, before))
}

// countStubs returns how many stubs of a room have this offset or a higher one.
func (e *Engine) countStubs(c *class, room string, offset uint64) (n int) {
	after := c.token + " "
	if offset > 0 {
		after = stubKey(c, room, offset-1).Name
	}
	e.state.CountEntries(tableRedacted, room, after, c.token+"!", func(count int, _ error) { n = count })
	return n
}

// next returns the first message of a room that has this offset or a higher one, or its stub.
func (e *Engine) next(c *class, room string, offset uint64) (logread.Stored, error) {
	one, err := e.read.Next(e.ctx, c.stream, c.subject(room), offset)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return one, err
	}
	if s, ok := e.stubFrom(c, room, offset); ok && (err != nil || s.Seq < one.Seq || replaces(s, one)) {
		return s, nil
	}
	return one, err
}

// atOrBefore returns the last message of a room that has this offset or a lower one, or its stub.
func (e *Engine) atOrBefore(c *class, room string, offset uint64) (logread.Stored, error) {
	one, err := e.read.AtOrBefore(e.ctx, c.stream, c.subject(room), offset)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return one, err
	}
	if s, ok := e.stubUpTo(c, room, offset); ok && (err != nil || s.Seq > one.Seq || replaces(s, one)) {
		return s, nil
	}
	return one, err
}

// last returns the last message of a room, or its stub.
func (e *Engine) last(c *class, room string) (logread.Stored, error) {
	one, err := e.read.Last(e.ctx, c.stream, c.subject(room))
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return one, err
	}
	if s, ok := e.stubUpTo(c, room, math.MaxUint64); ok && (err != nil || s.Seq > one.Seq || replaces(s, one)) {
		return s, nil
	}
	return one, err
}

// replaces reports whether a stub is that of a message that is still in the stream.
func replaces(stub, one logread.Stored) bool {
	if stub.Seq != one.Seq {
		return false
	}
	a, err := envelope.Decode(stub.Data)
	if err != nil {
		return false
	}
	b, err := envelope.Decode(one.Data)
	return err != nil || a.Time == b.Time // otherwise the message has got the offset of one that was lost
}

// Redact implements engine.Log.
func (e *Engine) Redact(room string, offsets []uint64, done func(error)) {
	if err := e.unavailable(); err != nil {
		done(err)
		return
	}
	offsets = slices.Clone(offsets)
	e.jobs.Go(func() { done(e.redact(room, offsets)) })
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
	one, err := e.read.At(e.ctx, c.stream, offset)
	if errors.Is(err, logread.ErrNone) || err == nil && one.Subject != c.subject(room) {
		return nil
	}
	if err != nil {
		return e.outcome(err)
	}
	was, _ := envelope.Decode(one.Data)
	erased := false // then there is no key to seal what is left
	p, at, err := e.decode(room, offset, one.Data, true)
	switch {
	case isDamaged(err):
		p = engine.Publication{Message: engine.Message{Skip: true}, Time: e.now()}
	case err != nil:
		return e.outcome(err)
	case !p.Skip:
		erased = p.Redacted()
		p = p.Redact()
	}
	env := encode(&p.Message, p.Time, at.back, at.depth)
	if was.Sealed != nil && !erased {
		if err := e.wait(func(done func(error)) { e.seal(room, env, done) }); err != nil {
			return e.outcome(err)
		}
	}
	stub := engine.Entry{Key: stubKey(c, room, offset), Version: engine.AnyVersion, Value: envelope.Append(nil, env)}
	if c.age > 0 {
		stub.Expires = p.Time.Add(c.age + stubTime)
	}
	if err := e.put(stub); err != nil {
		return err
	}
	err = e.stream(c).SecureDeleteMsg(e.ctx, offset)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return nil
}

// redactedChanged follows a change of a stub.
func (e *Engine) redactedChanged(_, is engine.Entry) {
	if is.Value == nil || !e.following.Load() {
		return
	}
	e.jobs.Go(func() {
		t := e.topic(is.Of)
		if t == nil {
			return
		}
		if offset, ok := offsetOf(t.class, is.Name); ok {
			t.redact([]uint64{offset})
		}
	})
}

// redact removes the data from recent publications, and from those that are on their way.
func (t *topic) redact(offsets []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent != nil {
		t.recent.Redact(offsets)
		t.countLocked()
	}
	for _, offset := range offsets {
		if offset > t.tip.offset && len(t.coming) < maxCatchUp && !slices.Contains(t.coming, offset) {
			t.coming = append(t.coming, offset)
		}
	}
}

// redactComingLocked removes the data from a publication that was redacted while it was on its way.
func (t *topic) redactComingLocked(p *engine.Publication) {
	if len(t.coming) == 0 {
		return
	}
	if !p.Skip && slices.Contains(t.coming, p.Offset) {
		*p = p.Redact()
	}
	t.coming = slices.DeleteFunc(t.coming, func(offset uint64) bool { return offset <= p.Offset })
}

// stubsBetween returns the offsets of the stubs of a room from one offset to another.
func (e *Engine) stubsBetween(c *class, room string, from, to uint64) (offsets []uint64) {
	for {
		s, ok := e.stubFrom(c, room, from)
		if !ok || s.Seq > to {
			return offsets
		}
		offsets = append(offsets, s.Seq)
		from = s.Seq + 1
	}
}
