package streams

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// openTry limits one try to open a part of the store, and openPause is the time between two.
const (
	openTry   = 5 * time.Second
	openPause = 100 * time.Millisecond
)

// UntilReady calls f until it returns another error than that the store is not ready, or until ctx ends. A
// cluster that has no leader yet does not answer at all, and forgets the request. If nobody listens to the request for
// the time of a try, there is no JetStream.
func UntilReady(ctx context.Context, f func(context.Context) error) error {
	began := time.Now()
	for {
		try, cancel := context.WithTimeout(ctx, openTry)
		err := f(try)
		cancel()
		if err == nil || ctx.Err() != nil || !isNotReady(err) || errors.Is(err, nats.ErrNoResponders) && time.Since(began) > openTry {
			return err
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return err
		}
	}
}

// isNotReady reports whether the store has not answered, or has answered that it cannot do anything now.
func isNotReady(err error) bool {
	var refused *jetstream.APIError
	for _, passes := range []error{context.DeadlineExceeded, nats.ErrNoResponders, ErrBehind, ErrNoLeader, ErrStale} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return errors.As(err, &refused) && refused.Code == http.StatusServiceUnavailable
}
