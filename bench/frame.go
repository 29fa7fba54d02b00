package bench

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// Errors of a frame that no server or client may send.
var (
	errReserved = errors.New("reserved bit or opcode set, although no extension was negotiated")
	errControl  = errors.New("control frame fragmented or longer than 125 bytes")
	errMasking  = errors.New("frame masked by the server, or not masked by the client")
	errLength   = errors.New("frame length over 2^31")
	errSequence = errors.New("continuation without a beginning, or a new message inside a fragmented one")
)

// header is a frame's header.
type header struct {
	fin    bool
	packed bool // RSV1: the message is compressed
	op     byte
	masked bool
	mask   [4]byte
	length int // of the payload
	size   int // of the header itself
}

// control reports whether h is of a close, ping or pong.
func (h header) control() bool { return h.op&8 != 0 }

// headerSize returns how many bytes the header that begins with p has, as far as p shows: it grows from 2 when there is more to
// see, so a caller asks again until it holds as much as was asked for.
func headerSize(p []byte) int {
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

// parseHeader reads a header of which all headerSize(p) bytes are in p. Whether h.packed was agreed on is for the caller to check.
func parseHeader(p []byte) (header, error) {
	h := header{fin: p[0]&0x80 != 0, packed: p[0]&rsv1 != 0, op: p[0] & 0x0f, masked: p[1]&0x80 != 0, length: int(p[1] & 0x7f), size: headerSize(p)}
	if p[0]&0x30 != 0 || h.packed && h.op != opText && h.op != opBinary || h.op > opPong || (h.op > opBinary && h.op < opClose) {
		return h, errReserved
	}
	if h.control() && (!h.fin || h.length > 125) {
		return h, errControl
	}
	switch h.length {
	case 126:
		h.length = int(binary.BigEndian.Uint16(p[2:]))
	case 127:
		long := binary.BigEndian.Uint64(p[2:])
		if long > 1<<31 {
			return h, errLength
		}
		h.length = int(long)
	}
	if h.masked {
		copy(h.mask[:], p[h.size-4:])
	}
	return h, nil
}

// appendHeader appends the header of a final frame; mask is nil for a server's frame.
func appendHeader(b []byte, op byte, length int, mask *[4]byte) []byte {
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

// xorMask masks or unmasks b, whose first byte is at offset at of the payload. A byte a time: it runs once per message *sent*, of which
// there are few.
func xorMask(b []byte, mask [4]byte, at int) {
	for i := range b {
		b[i] ^= mask[(at+i)&3]
	}
}

// appendFrame appends a whole frame, masked when mask is not nil.
func appendFrame(b []byte, op byte, payload []byte, mask *[4]byte) []byte {
	b = appendHeader(b, op, len(payload), mask)
	at := len(b)
	b = append(b, payload...)
	if mask != nil {
		xorMask(b[at:], *mask, 0)
	}
	return b
}
