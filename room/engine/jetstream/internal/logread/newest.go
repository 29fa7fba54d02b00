package logread

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
)

// MaxSubjects is the maximum number of subjects for Newest. The server takes twice as many.
const MaxSubjects = 512

// maxAnswer is the size of an answer in bytes, above which the server leaves the rest to the next request.
const maxAnswer = 1 << 20

// Newest calls f with the newest message of each of these subjects, with the sequence from or a higher one, if it has one, in the
// order of their sequences. upTo is the last sequence of the stream, as the server knows it that has answered: it may lag behind.
// If no subject has any message, upTo is 0.
func (r *Reader) Newest(ctx context.Context, stream string, subjects []string, from uint64, f func(Stored)) (upTo uint64, err error) {
	for {
		query, err := json.Marshal(map[string]any{"multi_last": subjects, "seq": from, "max_bytes": maxAnswer})
		if err != nil {
			return 0, fmt.Errorf("logread: %w", err)
		}
		last, err := r.requestMany(ctx, stream, query, f)
		switch {
		case errors.Is(err, ErrNone):
			return upTo, nil
		case err != nil:
			return 0, err
		}
		if upTo == 0 || last.upTo < upTo {
			upTo = last.upTo
		}
		if last.pending == 0 || last.seq < from {
			return upTo, nil
		}
		from = last.seq + 1
	}
}

// ending is the end of an answer of several messages.
type ending struct {
	pending, seq, upTo uint64 // how many messages follow; the sequence of the last one; that of the stream
}

// requestMany makes a request that several messages answer, as soon as there is a slot for it.
func (r *Reader) requestMany(ctx context.Context, stream string, query []byte, f func(Stored)) (end ending, err error) {
	ctx, release, err := r.slot(ctx)
	if err != nil {
		return end, err
	}
	defer release()
	inbox := r.nc.NewInbox()
	sub, err := r.nc.SubscribeSync(inbox)
	if err != nil {
		return end, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails if the connection is closed, which ends it too
	if err := r.nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, query); err != nil {
		return end, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return end, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			one, err := stored(m)
			if err != nil {
				return end, err
			}
			f(one)
		case "204":
			return endingOf(m)
		default:
			return end, statusError(m)
		}
	}
}

// endingOf reads the end of an answer.
func endingOf(m *nats.Msg) (end ending, err error) {
	for name, field := range map[string]*uint64{"Nats-Num-Pending": &end.pending, "Nats-Last-Sequence": &end.seq, "Nats-UpTo-Sequence": &end.upTo} {
		if *field, err = strconv.ParseUint(m.Header.Get(name), 10, 64); err != nil {
			return end, fmt.Errorf("logread: an answer without %s: %w", name, err)
		}
	}
	return end, nil
}
