package fault

import (
	"errors"
	"fmt"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
)

// Of returns the error of package engine for an error of the store. Errors that have none, and logread.ErrNone, are
// returned as they are.
func Of(err error) error {
	var refused *acks.Refusal
	switch {
	case err == nil || errors.Is(err, logread.ErrNone):
		return err
	case errors.Is(err, acks.ErrUnknown):
		return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
	case errors.As(err, &refused) && refused.IsFull():
		return fmt.Errorf("%w: %w", engine.ErrStoreFull, err)
	case errors.Is(err, acks.ErrUnavailable), errors.Is(err, logread.ErrUnavailable), errors.Is(err, seal.ErrBusy), errors.Is(err, seal.ErrShare), errors.As(err, &refused):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return err
}
