package frame

import (
	"errors"

	"github.com/gobwas/ws"
)

// A State is an unfinished message of a Decoder, for another process. The zero value is that of an idle
// Decoder.
type State struct {
	Op         ws.OpCode
	Compressed bool
	Fin        bool   // the current frame is the message's last
	InFrame    bool   // a frame has begun and is not complete
	Mask       uint32 // of the current frame, the first byte in the lowest bits
	MaskPos    int    // where in the mask the next byte of payload is: 0 to 3
	Left       int    // bytes of payload of the current frame that are still to come
	Fragments  int
	Body       []byte // the payload so far, unmasked
	Checked    int    // so many bytes of it are valid UTF-8
}

// State returns the unfinished message. Its Body is the Decoder's.
func (d *Decoder) State() State {
	m := d.mask
	return State{d.op, d.compressed, d.fin, d.inFrame, uint32(m[0]) | uint32(m[1])<<8 | uint32(m[2])<<16 | uint32(m[3])<<24,
		d.maskPos & 3, d.left, d.fragments, d.body, d.checked}
}

var errState = errors.New("frame: impossible state of an unfinished message")

// Decoder returns a Decoder that goes on from the State, and uses its Body. The error says that no Decoder can
// have this State.
func (s State) Decoder() (d Decoder, err error) {
	switch {
	case s.Op == 0 && (s.InFrame || len(s.Body) > 0), s.Op != 0 && s.Op != ws.OpText && s.Op != ws.OpBinary:
		return d, errState
	case s.Left < 0 || s.Left > 0 && !s.InFrame || s.MaskPos < 0 || s.MaskPos > 3, s.Fragments < 0, s.Checked < 0 || s.Checked > len(s.Body):
		return d, errState
	case s.Op == 0:
		return d, nil
	}
	m := s.Mask
	return Decoder{s.Op, s.Compressed, s.Fin, s.InFrame, [4]byte{byte(m), byte(m >> 8), byte(m >> 16), byte(m >> 24)}, s.MaskPos, s.Left, s.Fragments, s.Body, s.Checked}, nil
}
