package sweep

import (
	"context"
	"errors"

	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
)

// Room is a room that is compared with its log.
type Room interface {
	// Sweepable reports whether the room has begun, and in which incarnation of its stream it was compared with the
	// whole log.
	Sweepable() (began bool, incarnation string)
	// Sees is told of the newest publication of the room in the log. The room may have it.
	Sees(offset uint64)
	// Swept notes that the room was compared with the whole log.
	Swept(incarnation string)
}

// Stream knows how far the rooms of a stream were compared with it. Only one sweep runs at a time, so it has no lock.
type Stream struct {
	incarnation string
	swept       uint64
}

// Sweep compares rooms, by their subjects, with a stream. It may wait.
func (s *Stream) Sweep(ctx context.Context, read *logread.Reader, stream, incarnation string, rooms map[string]Room) error {
	if s.incarnation != incarnation {
		s.incarnation, s.swept = incarnation, 0 // another stream, whose sequences begin anew
	}
	newest, err := read.Last(ctx, stream, ">")
	if errors.Is(err, logread.ErrNone) {
		return nil
	}
	if err != nil {
		return fault.Of(err)
	}
	since, fresh := map[string]Room{}, map[string]Room{}
	for subject, room := range rooms {
		switch began, at := room.Sweepable(); {
		case !began:
		case at != incarnation:
			fresh[subject] = room
		default:
			since[subject] = room
		}
	}
	upTo := newest.Seq
	if newest.Seq > s.swept {
		if upTo, err = some(ctx, read, stream, since, newest, s.swept+1); err != nil {
			return err
		}
	}
	other, err := some(ctx, read, stream, fresh, newest, 1)
	if err != nil {
		return err
	}
	swept, all := reached(s.swept, upTo, other)
	if s.swept = swept; all {
		for _, room := range fresh {
			room.Swept(incarnation)
		}
	}
	return nil
}

// reached returns how far all rooms are compared with the log, after those that were compared up to swept before are up to upTo,
// and the others up to other. all is false if that is not so far: the servers that have answered for the others are behind.
func reached(swept, upTo, other uint64) (now uint64, all bool) {
	now = max(swept, min(upTo, other))
	return now, other >= now
}

// some compares some rooms with their log since a sequence, and returns how far the servers that have answered
// know the log. Each request asks for the newest message of all, too: so each answer says how far its server is.
func some(ctx context.Context, read *logread.Reader, stream string, rooms map[string]Room, newest logread.Stored, from uint64) (upTo uint64, err error) {
	upTo = newest.Seq
	subjects := make([]string, 0, min(len(rooms)+1, logread.MaxSubjects))
	ask := func() error {
		at, err := read.Newest(ctx, stream, append(subjects, newest.Subject), from, func(one logread.Stored) {
			if room := rooms[one.Subject]; room != nil {
				room.Sees(one.Seq)
			}
		})
		upTo, subjects = min(upTo, at), subjects[:0]
		return fault.Of(err)
	}
	for subject := range rooms {
		if subjects = append(subjects, subject); len(subjects) == logread.MaxSubjects-1 {
			if err := ask(); err != nil {
				return 0, err
			}
		}
	}
	if len(subjects) > 0 {
		err = ask()
	}
	return upTo, err
}
