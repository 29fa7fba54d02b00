package roomlog

import (
	"context"
	"errors"
	"fmt"
	"math"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/stubs"
	"webim/room/engine/jetstream/internal/subject"
)

// Log is the log of one room: its messages, and stubs in the places of those that were redacted. All methods are safe
// for concurrent use.
type Log struct {
	r     *Reader
	class subject.Class
	room  string
	subj  string
}

// Next returns the first message of the room that has this offset or a higher one, or its stub.
func (l *Log) Next(offset uint64) (logread.Stored, error) {
	one, err := l.r.Messages.Next(l.r.ctx, l.class.Stream, l.subj, offset)
	return l.orStub(offset, one, err)
}

// SureNext is Next, and proves that there is no such message if it returns logread.ErrNone: see logread.Leader.Reach.
func (l *Log) SureNext(offset uint64) (logread.Stored, error) {
	leader := l.r.Messages.Leader()
	one, err := leader.Next(l.r.ctx, l.class.Stream, l.subj, offset)
	if errors.Is(err, logread.ErrNone) {
		if err = leader.Reach(l.r.ctx, l.class.Stream, l.class.Markers()); err == nil {
			one, err = leader.Next(l.r.ctx, l.class.Stream, l.subj, offset)
		}
	}
	return l.orStub(offset, one, err)
}

// orStub returns the result of a search for the next message from an offset on, or the stub that comes before that message.
func (l *Log) orStub(offset uint64, one logread.Stored, err error) (logread.Stored, error) {
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return one, err
	}
	if s, ok := l.r.Stubs.From(l.class, l.room, offset); ok && (err != nil || s.Seq < one.Seq || stubs.Replaces(s, one)) {
		return s, nil
	}
	return one, err
}

// A lastReader is a logread.Reader or a logread.Leader.
type lastReader interface {
	Last(ctx context.Context, stream, subject string) (logread.Stored, error)
}

// last returns the last message of the room, or its stub.
func (l *Log) last(from lastReader) (logread.Stored, error) {
	one, err := from.Last(l.r.ctx, l.class.Stream, l.subj)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return one, err
	}
	if s, ok := l.r.Stubs.UpTo(l.class, l.room, math.MaxUint64); ok && (err != nil || s.Seq > one.Seq || stubs.Replaces(s, one)) {
		return s, nil
	}
	return one, err
}

// Last reads the end of the log, of which a server that is behind has only an older one.
func (l *Log) Last() (codec.Tip, error) {
	at, _, err := l.endOf(l.r.Messages)
	return at, err
}

// LastOfLeader reads the end of the log, as the leader of the stream has it.
func (l *Log) LastOfLeader() (codec.Tip, error) {
	at, _, err := l.EndOfLeader()
	return at, err
}

// EndOfLeader is LastOfLeader, and returns the offset up to which the log of the room has nothing: the same if the room has no publication.
func (l *Log) EndOfLeader() (at codec.Tip, gone uint64, err error) {
	return l.endOf(l.r.Messages.Leader())
}

// sureEnd returns the end of the log, if a server has told an older one than this node knows: that server is behind, or the newest
// publications were removed. gone is that of endOf.
func (l *Log) sureEnd(known codec.Tip) (at codec.Tip, gone uint64, err error) {
	_, err = l.SureNext(known.Offset)
	switch {
	case errors.Is(err, logread.ErrNone):
		return l.EndOfLeader()
	case err != nil:
		return codec.Tip{}, 0, fault.Of(err)
	}
	return known, 0, nil
}

// endOf returns the end of the log. If the room has no publication, the log has nothing up to there, and gone is the same offset.
func (l *Log) endOf(from lastReader) (at codec.Tip, gone uint64, err error) {
	one, err := l.last(from)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return codec.Tip{}, 0, fault.Of(err)
	}
	_, cut := l.epoch()
	switch {
	case err == nil && one.Seq >= cut:
		return codec.TipOf(one.Seq, one.Data), 0, nil
	case err == nil:
		return codec.Tip{Offset: cut}, cut, nil
	}
	// The room may have had publications that became too old. Who has seen those before the last of them has
	// missed some, so the room does not begin at 0.
	gone, err = l.Expired()
	gone = max(gone, cut)
	return codec.Tip{Offset: gone}, gone, err
}

// Top returns the position of the newest publication of the room.
func (l *Log) Top() (top engine.Position, err error) {
	err = l.steady(func() error {
		epoch, _ := l.epoch()
		at, err := l.Last()
		at = l.r.Known(l.room, epoch, at)
		top = engine.Position{Epoch: epoch, Offset: at.Offset}
		return err
	})
	return top, err
}

// Expired returns the offset up to which the log has nothing left, because it has become too old.
func (l *Log) Expired() (uint64, error) {
	gone := uint64(0)
	first, err := l.r.Messages.Next(l.r.ctx, l.class.Stream, ">", 1)
	switch {
	case err == nil:
		gone = first.Seq - 1
	case errors.Is(err, logread.ErrNone): // nothing is left, or nothing was ever published
		if gone, err = l.r.Empty(l.class); err != nil {
			return 0, err
		}
	default:
		return 0, fault.Of(err)
	}
	if stub, ok := l.r.Stubs.From(l.class, l.room, 1); ok && stub.Seq <= gone {
		return stub.Seq - 1, nil // redacted publications are not in the stream, and not too old
	}
	return gone, nil
}

// maxReads is how often a read is tried while publications of the room are removed.
const maxReads = 4

// steady calls read, which reads the log, until the room has the same epoch before and after it. Otherwise the history was removed
// meanwhile, and read has found only a part of it, or nothing where the log has had something. All may also have become too old.
func (l *Log) steady(read func() error) error {
	for range maxReads {
		was, _ := l.epoch()
		err := read()
		if is, _ := l.epoch(); is == was && !errors.Is(err, errGone) {
			return err
		}
	}
	return errGone
}

// errGone: the publications of the room were removed during a read, or became too old.
var errGone = fmt.Errorf("%w: the history of the room was removed while it was read", engine.ErrUnavailable)

func (l *Log) epoch() (epoch string, cut uint64) { return l.r.Epoch(l.class, l.room) }
