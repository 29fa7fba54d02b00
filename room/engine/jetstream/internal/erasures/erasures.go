// Package erasures keeps the list of the users that were erased, in the stream ERASED: one message for each, with
// the time of the last erasure. The tombstones in the State tell nodes to forget a user, and end after a while.
// This list stays, because a backup that is restored years later may still have a key of the user, or the entries
// that the State had of the user.
//
// Only the leader of the stream answers reads: another replica could lag behind, and lack an erasure.
//
// Package erasures has no mutex.
package erasures

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/codes"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
)

// Stream is the name of the stream.
const Stream = "ERASED"

// prefix begins the subjects of users.
const prefix = "erased."

// markers are those of the stream.
var markers = subject.Markers{Prefix: prefix, Few: true}

// noteRestoring is at the stream while a backup is being restored.
const noteRestoring = "webim-restoring"

// ErrRestoring: a restore has begun and not ended, so the store has only a part of the backup.
var ErrRestoring = errors.New("a restore of this store has not ended: run webim restore again")

// ErrDamaged: a message of the stream cannot be read.
var ErrDamaged = errors.New("erasures: an entry of the list of erased users is damaged")

// List is the list. It is safe for concurrent use.
type List struct {
	opener *streams.Opener
	read   *logread.Reader
	stream jetstream.Stream
}

// Open finds or makes the stream.
func Open(ctx context.Context, o *streams.Opener, read *logread.Reader) (*List, error) {
	s, err := o.Open(ctx, jetstream.StreamConfig{
		Name:              Stream,
		Description:       "webim: the users that were erased",
		Subjects:          []string{prefix + "*"},
		Storage:           jetstream.FileStorage,
		MaxMsgsPerSubject: 1,
		AllowDirect:       true,
	})
	if err != nil {
		return nil, err
	}
	return &List{o, read, s}, nil
}

// maxTries is the number of times that Add tries. Each try fails only if another node adds the same user at the same time, or if
// the server does not know of the last addition yet.
const maxTries = 3

// Add notes that a user was erased at a time, unless the list has a later one.
func (l *List) Add(ctx context.Context, user string, at time.Time) (err error) {
	for range maxTries {
		if err = l.add(ctx, user, at); !codes.IsWrongSequence(codes.Of(err)) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", logread.ErrUnavailable, err)
}

func (l *List) add(ctx context.Context, user string, at time.Time) error {
	name := prefix + subject.Token(user)
	one, err := l.read.Leader().Last(ctx, Stream, name)
	switch {
	case err == nil:
		if was, err := timeOf(one.Data); err == nil && !was.Before(at) {
			return nil
		}
	case !errors.Is(err, logread.ErrNone):
		return err
	}
	// The server refuses it if the answer that the list does not have the user, or has this time, was wrong.
	_, err = l.opener.JS.Publish(ctx, name, binary.AppendVarint(nil, at.UnixNano()), jetstream.WithRetryAttempts(0), jetstream.WithExpectLastSequencePerSubject(one.Seq))
	return err
}

// Since reports whether the list has the user with this time or a later one. That the list does not have the user is proved; if it
// cannot be, the error is logread.ErrUnavailable. It may wait.
func (l *List) Since(ctx context.Context, user string, since time.Time) (bool, error) {
	leader := l.read.Leader()
	last := func() (logread.Stored, error) { return leader.Last(ctx, Stream, prefix+subject.Token(user)) }
	one, err := leader.Sure(ctx, Stream, markers, last)
	if errors.Is(err, logread.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	at, err := timeOf(one.Data)
	return err == nil && !at.Before(since), err
}

// Each calls f with each user of the list, and ends with its first error. The error is logread.ErrUnavailable if it is not
// certain that there are no more.
func (l *List) Each(ctx context.Context, f func(user string, at time.Time) error) error {
	for seq := uint64(1); ; {
		next := func() (logread.Stored, error) { return l.read.Leader().Next(ctx, Stream, ">", seq) }
		one, err := l.read.Leader().Sure(ctx, Stream, markers, next)
		if errors.Is(err, logread.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		if seq = one.Seq + 1; len(one.Data) == 0 {
			continue // a marker
		}
		user, err := subject.Parse(one.Subject[len(prefix):])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		at, err := timeOf(one.Data)
		if err != nil {
			return err
		}
		if err := f(user, at); err != nil {
			return err
		}
	}
}

func timeOf(data []byte) (time.Time, error) {
	at, n := binary.Varint(data)
	if n <= 0 {
		return time.Time{}, ErrDamaged
	}
	return time.Unix(0, at), nil
}

// noted is the note of a restore that has noted the removals: see package removals. An older webim, which did not, has written
// another text.
const noted = "noted"

// HasNoted reports whether a restore had begun when the list was opened, and had noted the removals.
func (l *List) HasNoted() bool { return streams.Note(l.stream, noteRestoring) == noted }

// Restoring notes that a restore has begun, or that it has ended.
func (l *List) Restoring(ctx context.Context, is bool) error {
	text := ""
	if is {
		text = noted
	}
	return l.opener.SetNote(ctx, l.stream, noteRestoring, text)
}

// Check returns ErrRestoring if a restore had begun and not ended when the list was opened.
func (l *List) Check() error {
	if streams.Note(l.stream, noteRestoring) != "" {
		return ErrRestoring
	}
	return nil
}
