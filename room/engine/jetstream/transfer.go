package jetstream

import (
	"context"
	"errors"
	"strings"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/subject"
)

// ExportRooms calls f with the publications that are stored for a room, or for all rooms if room is "". Those of a room
// come in their order. It leaves out publications that were removed, redacted or erased, or are not in the history. It may
// wait, and ends with the first error of f. Whatever the number of publications, it holds one in memory.
func (e *Engine) ExportRooms(ctx context.Context, room string, f func(room string, p engine.Publication) error) error {
	return e.eachClass(ctx, func(c subject.Class) error { return e.exportClass(ctx, e.named(c), room, f) })
}

func (e *Engine) exportClass(ctx context.Context, c *class, room string, f func(string, engine.Publication) error) error {
	filter := ">"
	if room != "" {
		filter = c.Room(room)
	}
	for seq := uint64(1); ; {
		one, err := e.read.Next(ctx, c.Stream, filter, seq)
		if errors.Is(err, logread.ErrNone) {
			// The server may be behind.
			if err = e.proveLog(ctx, c.Class); err == nil {
				one, err = e.read.Leader().Next(ctx, c.Stream, filter, seq)
			}
		}
		if errors.Is(err, logread.ErrNone) {
			return nil
		}
		if err != nil {
			return fault.Of(err)
		}
		seq = one.Seq + 1
		in, err := subject.Parse(one.Subject[strings.LastIndexByte(one.Subject, '.')+1:])
		if err != nil || one.Seq <= e.cuts.Get(c.cutOf(in)).Offset {
			continue // not written by webim, or removed
		}
		p, _, err := e.codec.Decode(in, one.Seq, one.Data, true)
		if codec.IsDamaged(err) || err == nil && (p.Skip || p.Redacted()) {
			continue
		}
		if err != nil {
			return fault.Of(err)
		}
		if err := f(in, p); err != nil {
			return err
		}
	}
}

// ImportMessage publishes a message with the time that it had where it comes from. It may wait. How long it is kept
// counts from now.
func (e *Engine) ImportMessage(room string, m engine.Message, at time.Time) (engine.Position, error) {
	c := e.class(room)
	if err := errors.Join(e.unavailable(), e.ready(c)); err != nil {
		return engine.Position{}, err
	}
	back, depth := e.topics.hint(room)
	env := codec.Encode(&m, at, back, depth)
	var pos engine.Position
	err := e.wait(func(done func(error)) {
		e.seal(room, env, nil, func(s sealing, err error) {
			if err != nil {
				done(err)
				return
			}
			e.send(c, room, m, env, s, "", func(p engine.Position, err error) { pos = p; done(err) })
		})
	})
	return pos, fault.Of(err)
}
