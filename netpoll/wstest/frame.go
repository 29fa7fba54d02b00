package wstest

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"math/rand/v2"
)

// Frame returns a client's frame with a first byte and a payload: the length in its shortest form,
// the payload masked with a random mask. The first byte holds FIN (0x80), RSV1 (0x40) to RSV3, and
// the opcode, so 0x81 is a whole text.
func Frame(b0 byte, payload string) []byte {
	head := FrameHead(b0, uint64(len(payload)))
	mask := bytes.Repeat(head[len(head)-4:], 1024)
	at := len(head)
	b := append(make([]byte, 0, at+len(payload)), head...)
	b = append(b, payload...)
	for p := b[at:]; len(p) > 0; {
		p = p[subtle.XORBytes(p, p, mask):]
	}
	return b
}

// FrameHead returns the part of a client's frame before its payload.
func FrameHead(b0 byte, length uint64) []byte {
	b := make([]byte, 0, 14)
	switch {
	case length < 126:
		b = append(b, b0, 0x80|byte(length))
	case length < 65536:
		b = binary.BigEndian.AppendUint16(append(b, b0, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, b0, 0x80|127), length)
	}
	return binary.LittleEndian.AppendUint32(b, rand.Uint32())
}

// ClosePayload returns the payload of a Close frame.
func ClosePayload(code int, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}
