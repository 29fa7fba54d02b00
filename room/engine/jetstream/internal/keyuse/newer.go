package keyuse

import (
	"errors"
	"fmt"

	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/seal"
)

// ErrNewer: there are messages of a newer webim.
var ErrNewer = errors.New("keyuse: messages of a newer webim may need any key")

// Newer counts the messages of a stream that a newer webim has stored. Nobody here knows which keys they need.
type Newer struct {
	messages int
	stream   string
	first    uint64 // its sequence
}

// Err returns an ErrNewer that says where they are, or nil if there are none. A caller that gets an error reads no further stream.
func (n *Newer) Err() error {
	if n.messages == 0 {
		return nil
	}
	return fmt.Errorf("%w: the stream %s has %d, and the first has the sequence %d; streams that were not read may have more", ErrNewer, n.stream, n.messages, n.first)
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
