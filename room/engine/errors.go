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
	ErrUnavailable error = &storeError{"engine: the store cannot be reached",
		"the server cannot reach its store: try again later"}
	// ErrUnknown: the store has not answered, so a message or a change may be stored, or not. It is
	// safe to publish a message with the same Key again.
	ErrUnknown error = &storeError{"engine: the store has not answered: the change may have been made",
		"the server's store has not answered: the message may have been published, or the change made: look before you repeat it"}
	// ErrUnconfirmed: not every node has confirmed a control message. The others have applied it, and
	// those may have. Send it again.
	ErrUnconfirmed error = &storeError{"engine: not every node has confirmed the control message: send it again",
		"not every node of the server has confirmed this: send it again"}
	// ErrStateOld: a node's copy of the State may lack the latest bans, so it admits nobody: see Copier. Try again later.
	ErrStateOld error = &storeError{"engine: the node's copy of the State is old, so it admits nobody",
		"this server does not know the latest bans, try again"}
	// ErrStoreFull: the store has no space for messages.
	ErrStoreFull error = &storeError{"engine: the store is full",
		"the server's store is full: try again later"}
	// ErrTooManyMembers: a room has more members than a list may name.
	ErrTooManyMembers = errors.New("engine: more members than may be listed")
	// ErrVersion: the entry has another version, because somebody has changed it. Read it again.
	ErrVersion = errors.New("engine: the entry has changed in the meantime")
	// ErrStateFull: the State has its maximum size.
	ErrStateFull = errors.New("engine: the state is full: raise its limit")
)

// storeError is a failure of the store that clients may know of.
type storeError struct{ text, sentence string }

// Error returns the text for logs.
func (e *storeError) Error() string { return e.text }

// Sentence returns the text for clients: package wire sends it with a temporary error.
func (e *storeError) Sentence() string { return e.sentence }
