package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/roomlog"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
)

// emptyFor is how long a node goes on without asking how far the sequences of an empty stream have come.
const emptyFor = time.Second

// emptyAt returns the sequence up to which a stream has nothing. It is for streams that are empty, or that a server which is
// behind has called empty: the leader answers.
func (e *Engine) emptyAt(c *class) (uint64, error) {
	c.emptyMu.Lock()
	defer c.emptyMu.Unlock()
	incarnation := c.incarnation.Load() // before the question: another one has sequences of its own
	if now := e.now(); c.emptySeen.IsZero() || now.Sub(c.emptySeen) > emptyFor || c.emptyOf != incarnation {
		s, err := e.streams.Find(e.ctx, c.Stream)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
		}
		c.emptySeen, c.emptyLast, c.emptyOf = now, max(s.CachedInfo().State.FirstSeq, 1)-1, incarnation
	}
	return c.emptyLast, nil
}

// maxOfRoom is more publications than a room can have. With a limit for each subject, the server takes blocks of
// 4 MiB instead of 8, and the first page that is read in a block takes half as long: the server reads it whole.
const maxOfRoom = 1 << 40

// openClass finds or makes the stream of a class, and reads its incarnation.
func (e *Engine) openClass(ctx context.Context, c *class) error {
	c.openMu.Lock()
	defer c.openMu.Unlock()
	return e.openClassLocked(ctx, c)
}

// openClassLocked is openClass with c.openMu held.
func (e *Engine) openClassLocked(ctx context.Context, c *class) error {
	was := c.incarnation.Load()
	end := func(ctx context.Context) (uint64, error) { return e.read.Leader().End(ctx, c.Stream, c.Markers()) }
	s, incarnation, err := e.openStream(ctx, &c.known, end, jetstream.StreamConfig{
		Name:              c.Stream,
		Description:       "webim: the publications of rooms",
		Subjects:          []string{c.Rooms()},
		Storage:           jetstream.FileStorage,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxAge:            c.Age,
		MaxBytes:          -1,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: maxOfRoom,
		AllowDirect:       true,
		Duplicates:        c.keyWindow(e.cfg.KeyWindow),
		RePublish:         &jetstream.RePublish{Source: c.Rooms(), Destination: c.LiveRooms()},
	})
	if err != nil {
		return err
	}
	c.handle = s
	if c.incarnation.Store(&incarnation); was != nil && *was != incarnation {
		e.keys.Forget() // the messages may be gone
		e.unsaved.Forget()
	}
	return nil
}

// stream returns the stream of a class that was opened.
func (e *Engine) stream(c *class) jetstream.Stream {
	c.openMu.Lock()
	defer c.openMu.Unlock()
	return c.handle
}

// lookAgain is the time after which a node that has renewed the incarnation of a stream looks whether another node has
// done so at the same time. The last one counts.
const lookAgain = 6 * time.Second

// openStream finds or makes a stream, and returns it with its incarnation. Calls with the same known do not overlap.
func (e *Engine) openStream(ctx context.Context, known *streams.Known, end streams.End,
	cfg jetstream.StreamConfig) (s jetstream.Stream, incarnation string, err error) {
	if e.cfg.Sole {
		end = nil
	}
	s, lost, err := e.streams.OpenKnown(ctx, cfg, known, end)
	if lost {
		e.jobs.After(lookAgain, e.reopen)
	}
	if err != nil {
		return nil, "", fmt.Errorf("jetstream: %w", err)
	}
	return s, streams.Incarnation(s), nil
}

// proveLog is logread.Leader.Reach for the log of a class.
func (e *Engine) proveLog(ctx context.Context, c subject.Class) error {
	return e.read.Leader().Reach(ctx, c.Stream, c.Markers())
}

// eachClass calls f with each class that has a stream, and ends with its first error. It is an error if it is not certain that these are
// all.
func (e *Engine) eachClass(ctx context.Context, f func(subject.Class) error) error {
	names, err := e.streams.Names(ctx, subject.StreamPrefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		c, ok := subject.ClassOfStream(name)
		if !ok {
			continue // not made by webim
		}
		if err := f(c); err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	return nil
}

// ready opens the stream of a class, if that was not done yet. It may wait. Of callers that come at the same time one tries,
// and the others get its error: each would wait for a server that does not answer.
func (e *Engine) ready(c *class) error {
	if c.incarnation.Load() != nil {
		return nil
	}
	tries := c.tries.Load()
	c.openMu.Lock()
	defer c.openMu.Unlock()
	switch {
	case c.incarnation.Load() != nil:
		return nil // another caller was first
	case c.tries.Load() != tries:
		return c.failed
	}
	err := fault.Of(e.openClassLocked(e.ctx, c))
	if err != nil {
		c.failed = err
		c.tries.Add(1)
	}
	return err
}

// keepOf returns how much of a room's log is kept: asked, or the value of the settings.
func (e *Engine) keepOf(room string, asked *engine.Retention) *engine.Retention {
	if asked != nil {
		return asked
	}
	keep := e.keep(room)
	return &keep
}

// isReady reports whether the stream of a class is open and whenReady would not wait. While callers of whenReady are
// still called, it is not ready: a later message must not overtake theirs.
func (e *Engine) isReady(c *class) bool {
	return c.incarnation.Load() != nil && !e.openings.Busy(c.Stream)
}

// whenReady opens the stream of a class on a job, and calls f in the order of the callers.
func (e *Engine) whenReady(c *class, f func(error)) {
	e.openings.Do(c.Stream, e.jobs.Go, func() error { return e.ready(c) }, f)
}

// class returns the retention class of a room.
func (e *Engine) class(room string) *class { return e.classOf(e.keep(room).Age) }

// classOf returns the class that keeps publications for at least this long.
func (e *Engine) classOf(age time.Duration) *class { return e.named(subject.ClassOf(age)) }

// classWith returns the class with a token, or nil if there can be none.
func (e *Engine) classWith(token string) *class {
	c, ok := subject.ClassWith(token)
	if !ok {
		return nil
	}
	return e.named(c)
}

// named returns the class of this engine with a name.
func (e *Engine) named(name subject.Class) *class {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.classes[name]
	if c == nil {
		c = &class{Class: name}
		e.classes[name] = c
	}
	return c
}

// epochOf returns the epoch of a room, and the offset up to which its history was removed.
func (e *Engine) epochOf(c *class, room string) (epoch string, offset uint64) {
	incarnation := ""
	if name := c.incarnation.Load(); name != nil {
		incarnation = *name
	}
	cut := e.cuts.Get(c.cutOf(room))
	return cut.Epoch(incarnation), cut.Offset
}

// errAnew: the stream got another incarnation after a message was sent to it.
var errAnew = errors.New("jetstream: the stream was made anew, or has lost messages")

// positionIn returns the position of a message that the store has had at an offset in an incarnation of the stream. It is unknown whether
// another incarnation has the message, and there the offset belongs to another one.
func (e *Engine) positionIn(incarnation string, c *class, room string, offset uint64) (engine.Position, error) {
	epoch, _ := e.epochOf(c, room)
	if cuts.Incarnation(epoch) != incarnation {
		return engine.Position{}, fmt.Errorf("%w: %w", engine.ErrUnknown, errAnew)
	}
	return engine.Position{Epoch: epoch, Offset: offset}, nil
}

// logOf returns the log of a room.
func (e *Engine) logOf(c *class, room string) *roomlog.Log { return e.logs.Room(c.Class, room) }

// keep returns how much of a room's log is kept.
func (e *Engine) keep(room string) engine.Retention {
	if e.cfg.Keep == nil {
		return engine.Retention{Messages: 100, Bytes: 1 << 20, Age: 5 * time.Minute}
	}
	return e.cfg.Keep(room)
}
