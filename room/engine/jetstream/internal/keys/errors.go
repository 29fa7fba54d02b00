package keys

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
)

// The codes of nats-server for which the library has no name.
const (
	codeNoResources = 10023 // the account or the server has no space
	codeStoreFailed = 10077 // the stream has no space
)

// isConflict reports whether a user has a key already.
func isConflict(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// isRefused reports whether the server has refused to delete a message. The library drops the reason: the message may be gone, or
// the store may have failed.
func isRefused(err error) bool { return errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) }

// changeError returns the error of a change for the caller.
func changeError(err error) error {
	var e *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && (e.ErrorCode == codeNoResources || e.ErrorCode == codeStoreFailed):
		return fmt.Errorf("%w: %w", engine.ErrStoreFull, err)
	case errors.As(err, &e), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}
