package keys

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codes"
)

// isRefused reports whether the server has refused to delete a message. The library drops the reason: the message may be gone, or
// the store may have failed.
func isRefused(err error) bool { return errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) }

// changeError returns the error of a change for the caller.
func changeError(err error) error {
	var e *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case codes.IsFull(codes.Of(err)):
		return fmt.Errorf("%w: %w", engine.ErrStoreFull, err)
	case errors.As(err, &e), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}
