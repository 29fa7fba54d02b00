package ws

import (
	"encoding/binary"
)

// FIN marks the last frame of a message, in the first byte of the frame (RFC 6455, section 5.2).
const FIN = 0x80

// AppendRaw appends a masked frame with any first byte: FIN, RSV1 and an opcode in any combination, valid or not.
func AppendRaw(b []byte, bits byte, payload []byte) []byte {
	at := len(b)
	b = AppendFrame(b, Text, payload, &[4]byte{0x1b, 0x2c, 0x3d, 0x4e})
	b[at] = bits
	return b
}

// AppendRawHeader appends the header of a masked frame with any first byte and any length. The payload need not follow.
func AppendRawHeader(b []byte, bits byte, length uint64) []byte {
	b = binary.BigEndian.AppendUint64(append(b, bits, 0x80|127), length)
	return append(b, 0, 0, 0, 0)
}
