package engine

import "errors"

// The errors of engines.
var (
	// ErrKeyReused: the idempotency key belongs to a message with other content, which was
	// published to the room not long ago.
	ErrKeyReused = errors.New("engine: the idempotency key belongs to another message")
	// ErrRepeated: the message was published before. Publish and Known return it with the
	// position of the first publication; Hub.Publish does not pass it on.
	ErrRepeated = errors.New("engine: the message was published before")
	// ErrUnavailable: the store cannot be reached, so nothing was changed. Try again later.
	ErrUnavailable = errors.New("engine: the store cannot be reached: try again later")
	// ErrUnknown: the store has not answered, so a message or a change may be stored, or not.
	ErrUnknown = errors.New("engine: the store has not answered: the change may have been made")
	// ErrUnconfirmed: not every node has confirmed a control message. The others have applied it, and
	// those may have. Send it again.
	ErrUnconfirmed = errors.New("engine: not every node has confirmed the control message: send it again")
	// ErrStoreFull: the store has no space for messages.
	ErrStoreFull = errors.New("engine: the store is full")
	// ErrTooManyMembers: a room has more members than a list may name.
	ErrTooManyMembers = errors.New("engine: more members than may be listed")
	// ErrVersion: the entry has another version, because somebody has changed it. Read it again.
	ErrVersion = errors.New("engine: the entry has changed in the meantime")
	// ErrStateFull: the State has its maximum size.
	ErrStateFull = errors.New("engine: the state is full: raise its limit")
)
