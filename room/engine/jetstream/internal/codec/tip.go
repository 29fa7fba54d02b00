package codec

import "webim/room/engine/jetstream/internal/envelope"

// Tip describes the last publication of a room, as its successor needs it.
type Tip struct {
	Offset uint64
	Back   uint64 // its Back: a publication some steps before it
	Depth  uint8  // its Depth: how many steps
}

// Segment is how many publications a Back goes back, at most. A reader that follows one reads so many
// publications in a row.
const Segment = 32

// Next returns Back and Depth for the publication after the tip.
func (t Tip) Next() (back uint64, depth uint8) {
	if t.Back == 0 || t.Depth >= Segment {
		return t.Offset, 1
	}
	return t.Back, t.Depth + 1
}

// TipOf returns the tip that a stored message makes.
func TipOf(seq uint64, data []byte) Tip {
	env, err := envelope.Decode(data)
	if err != nil {
		return Tip{Offset: seq}
	}
	return tipIn(seq, &env)
}

// tipIn returns the tip that a stored message makes. A Back that is not before the message was never written by webim;
// a reader that followed it would go round in circles.
func tipIn(seq uint64, env *envelope.Envelope) Tip {
	if env.Back >= seq {
		return Tip{Offset: seq}
	}
	return Tip{Offset: seq, Back: env.Back, Depth: env.Depth}
}
