package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455, section 5.2.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xA
)

// Errors of a frame that neither a server nor a client may send.
var (
	ErrReserved = errors.New("reserved bit or opcode set, although no extension was negotiated")
	errControl  = errors.New("control frame fragmented or longer than 125 bytes")
	ErrMasking  = errors.New("frame masked by the server, or not masked by the client")
	errLength   = errors.New("frame longer than 2^31 bytes")
	errSequence = errors.New("continuation without a beginning, or a new message inside a fragmented one")
)

// Header is the header of a frame.
type Header struct {
	Fin        bool
	Compressed bool // RSV1: the message is compressed
	Op         byte
	Masked     bool
	Mask       [4]byte
	Length     int // length of the payload
	Size       int // length of the header itself
}

// Control reports whether the frame is a close, ping or pong.
func (h Header) Control() bool { return h.Op&8 != 0 }

// HeaderSize returns the length of the header that begins with p, as far as p shows it. With fewer than two bytes it
// returns 2; call it again when p has as many bytes as it asked for.
func HeaderSize(p []byte) int {
	if len(p) < 2 {
		return 2
	}
	n := 2
	switch p[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if p[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// ParseHeader reads a header; p must have at least HeaderSize(p) bytes. The caller checks whether compression was agreed
// on.
func ParseHeader(p []byte) (Header, error) {
	h := Header{Fin: p[0]&0x80 != 0, Compressed: p[0]&RSV1 != 0, Op: p[0] & 0x0f, Masked: p[1]&0x80 != 0, Length: int(p[1] & 0x7f), Size: HeaderSize(p)}
	if p[0]&0x30 != 0 || h.Compressed && h.Op != Text && h.Op != Binary || h.Op > Pong || (h.Op > Binary && h.Op < Close) {
		return h, ErrReserved
	}
	if h.Control() && (!h.Fin || h.Length > 125) {
		return h, errControl
	}
	switch h.Length {
	case 126:
		h.Length = int(binary.BigEndian.Uint16(p[2:]))
	case 127:
		long := binary.BigEndian.Uint64(p[2:])
		if long > 1<<31 {
			return h, errLength
		}
		h.Length = int(long)
	}
	if h.Masked {
		copy(h.Mask[:], p[h.Size-4:])
	}
	return h, nil
}

// AppendHeader appends the header of a final frame. The mask is nil in a server's frame.
func AppendHeader(b []byte, op byte, length int, mask *[4]byte) []byte {
	bit := byte(0)
	if mask != nil {
		bit = 0x80
	}
	b = append(b, 0x80|op)
	switch {
	case length < 126:
		b = append(b, bit|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(length))
	}
	if mask != nil {
		b = append(b, mask[:]...)
	}
	return b
}

// Mask masks or unmasks b, which begins at offset at of the payload. It works byte by byte, because it runs once per sent
// message only, and there are few of them.
func Mask(b []byte, mask [4]byte, at int) {
	for i := range b {
		b[i] ^= mask[(at+i)&3]
	}
}

// AppendFrame appends a whole final frame, masked if mask is not nil.
func AppendFrame(b []byte, op byte, payload []byte, mask *[4]byte) []byte {
	b = AppendHeader(b, op, len(payload), mask)
	at := len(b)
	b = append(b, payload...)
	if mask != nil {
		Mask(b[at:], *mask, 0)
	}
	return b
}

// AcceptKey returns the Sec-WebSocket-Accept value for a Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
