package policy

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/wire"
)

// CheckSize returns an error for the client if a message is too large for a room with these options.
// most is the maximum size in rooms without one of their own; negative: no maximum.
func (o *Options) CheckSize(m *engine.Message, most int) error {
	most = cmp.Or(o.MaxPublication, most)
	if n := encodedSize(m); most >= 0 && n > most {
		return wire.Explain(wire.ErrLimitExceeded, fmt.Sprintf("limit exceeded: the message has %d bytes with what is told of its author, and %d are allowed in this room", n, most))
	}
	return nil
}

// encodedSize returns about how many bytes a message has in the encodings of the centrifuge dialect,
// without the name of the room and the numbers.
func encodedSize(m *engine.Message) int {
	n := len(m.Data)
	if m.Op == ws.OpText { // in JSON each of these takes two bytes
		for _, c := range []byte{'"', '\\', '\n', '\t', '\r'} {
			n += bytes.Count(m.Data, []byte{c})
		}
	}
	return n + aroundSize(m)
}

// aroundSize returns how many bytes a message has besides its data.
func aroundSize(m *engine.Message) (n int) {
	for name, value := range m.Tags {
		n += len(name) + len(value)
	}
	if m.From != nil {
		n += m.From.Size()
	}
	return n
}

// PushSize is about how many bytes a push has besides the name of the room, the data and the author:
// the names of fields, and numbers.
const PushSize = 64

// SentSize returns about how many bytes each member of a room gets for a message.
func SentSize(m *engine.Message, room string) int {
	return PushSize + len(room) + len(m.Data) + aroundSize(m)
}
