package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
)

// A room changes its class if its age in the settings changes. Its log then begins anew in another stream, which
// has another incarnation, so the room gets a new epoch. If it comes back later, its old log is still there, and
// lacks the publications since then. So that log is cut at its end: the epoch is a new one again.

// noteClasses is the note at the stream of the State with the Config.Classes that were in force.
const noteClasses = "webim-classes"

// followClasses cuts the logs of the rooms that have changed their class since an engine was last opened.
func (e *Engine) followClasses(ctx context.Context) error {
	if e.cfg.Alone {
		return nil
	}
	s, err := e.streams.Find(ctx, state.Stream)
	if err != nil {
		return fmt.Errorf("jetstream: stream %s: %w", state.Stream, err)
	}
	if streams.Note(s, noteClasses) == e.cfg.Classes {
		return nil
	}
	if err := e.eachClass(ctx, func(c subject.Class) error { return e.movedFrom(ctx, c) }); err != nil {
		return fmt.Errorf("jetstream: looking for rooms that have changed their history age: %w", err)
	}
	if err := e.streams.SetNote(ctx, s, noteClasses, e.cfg.Classes); err != nil {
		return fmt.Errorf("jetstream: stream %s: %w", state.Stream, err)
	}
	return nil
}

// movedFrom looks for the rooms in the stream of a class that belong to another class now.
func (e *Engine) movedFrom(ctx context.Context, from subject.Class) error {
	// A server that lacks a room here, or its newest message, would let it keep an epoch in which others have missed messages.
	if err := e.proveLog(ctx, from); err != nil {
		return err
	}
	s, err := e.streams.Find(ctx, from.Stream)
	if err != nil {
		return err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(from.Rooms()))
	if err != nil {
		return err
	}
	for subj := range info.State.Subjects {
		room, err := subject.Parse(strings.TrimPrefix(subj, from.Prefix()))
		if err != nil {
			continue // not written by webim
		}
		if c := e.class(room); c.Stream != from.Stream {
			if err := e.moved(ctx, from.Stream, subj, c, room); err != nil {
				return err
			}
		}
	}
	return nil
}

// moved cuts the log of a room in its class, if the room has lived in another stream since.
func (e *Engine) moved(ctx context.Context, stream, subj string, c *class, room string) error {
	if c.incarnation.Load() == nil {
		if err := e.openClass(ctx, c); err != nil {
			return err
		}
	}
	there, err := e.read.Leader().Last(ctx, stream, subj)
	if err != nil {
		return err
	}
	if err := e.proveLog(ctx, c.Class); err != nil {
		return err // a server that lacks the newest message here would have the whole history removed
	}
	here, err := e.read.Leader().Last(ctx, c.Stream, c.Room(room))
	end := here.Seq
	switch {
	case errors.Is(err, logread.ErrNone): // all that it had here may be too old
		end = e.stream(c).CachedInfo().State.LastSeq
	case err != nil:
		return err
	case timeOf(here) >= timeOf(there):
		return nil
	}
	k := c.cutOf(room).Entry()
	is := e.state.Entry(k)
	was := cuts.Decode(is.Value)
	if end == 0 || end <= was.Offset {
		return nil // nobody has seen it here, or it was cut before
	}
	e.log.Info("a room has come back to its former history age: its history begins anew", "room", room, "stream", c.Stream)
	return e.put(engine.Entry{Key: k, Value: cuts.Cut{Times: was.Times + 1, Offset: end}.Encode(), Version: is.Version})
}

// timeOf returns the time in a stored message.
func timeOf(one logread.Stored) int64 {
	env, err := envelope.Decode(one.Data)
	if err != nil {
		return 0
	}
	return env.Time
}
