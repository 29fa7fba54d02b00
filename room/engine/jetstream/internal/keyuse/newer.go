package keyuse

import (
	"errors"
	"fmt"

	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/seal"
)

// ErrNewer: there are messages of a newer webim.
var ErrNewer = errors.New("keyuse: messages of a newer webim may need any key")

// Newer counts messages that a newer webim has stored. Nobody here knows which keys they need.
type Newer struct {
	messages int
	stream   string // of the first one
	first    uint64 // its sequence
}

// Err returns an ErrNewer that says where they are, or nil if there are none.
func (n *Newer) Err() error {
	if n.messages == 0 {
		return nil
	}
	return fmt.Errorf("%w: there are %d, and the first is in the stream %s with the sequence %d", ErrNewer, n.messages, n.stream, n.first)
}

// Read calls f with the id of the key with which a stored message is sealed. A message of a newer webim is noted in newer. A
// marker, and a damaged message, need no key.
func Read(stream string, seq uint64, message []byte, f func(id uint64), newer *Newer) {
	env, err := envelope.Decode(message)
	switch {
	case errors.Is(err, envelope.ErrVersion):
		if newer.messages++; newer.messages == 1 {
			newer.stream, newer.first = stream, seq
		}
	case err == nil && env.Sealed != nil:
		f(seal.KeyID(env.Sealed))
	}
}
