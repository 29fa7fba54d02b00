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
	codeNoSequence   = 10043 // the message to delete is not there
	codeNoResources  = 10023 // the account or the server has no space
	codeStoreFailed  = 10077 // the stream has no space
	codeDeleteFailed = 10057 // the message was perhaps deleted
)

// isConflict reports whether a user has a key already.
func isConflict(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// isGone reports whether a message to delete is not there any more.
func isGone(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == codeNoSequence || e.ErrorCode == jetstream.JSErrCodeMessageNotFound)
}

// changeError returns the error of a change for the caller.
func changeError(err error) error {
	var e *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && (e.ErrorCode == codeNoResources || e.ErrorCode == codeStoreFailed):
		return fmt.Errorf("%w: %w", engine.ErrStoreFull, err)
	case errors.As(err, &e) && e.ErrorCode != codeDeleteFailed, errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}
