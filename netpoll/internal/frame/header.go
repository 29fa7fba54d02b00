package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// maxHeaderLen is the length of the longest frame header: 2 bytes, 8 of length, 4 of mask.
const maxHeaderLen = 14

// parseHeader reads a frame header from the start of b and returns its length in bytes. If b is
// too short for the header, n is 0 and err is nil.
//
// RFC 6455, section 5.2:
//
//	 0 1 2 3 4 5 6 7 8 9 ...
//	+-+-+-+-+-------+-+-------------+-------------------------------+
//	|F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//	|I|S|S|S|  (4)  |A|     (7)     |  16 bits if len == 126,       |
//	|N|V|V|V|       |S|             |  64 bits if len == 127        |
//	| |1|2|3|       |K|             |                               |
//	+-+-+-+-+-------+-+-------------+-------------------------------+
//	|                 Masking key, 4 bytes, if MASK                 |
//	+---------------------------------------------------------------+
//
// gobwas/ws reads headers from an io.Reader only. At EAGAIN that would lose the bytes that it has
// read, so this parser works on slices.
func parseHeader(b []byte) (h ws.Header, n int, err *Error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] & 0x70 >> 4
	h.OpCode = ws.OpCode(b[0] & 0x0f)
	h.Masked = b[1]&0x80 != 0
	n = 2
	switch l := b[1] & 0x7f; l {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		n = 4
		// "the minimal number of bytes MUST be used to encode the length"
		if h.Length < 126 {
			return h, 0, errLengthLong
		}
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		v := binary.BigEndian.Uint64(b[2:])
		n = 10
		// "the most significant bit MUST be 0"
		if v>>63 != 0 {
			return h, 0, errLengthTopBit
		}
		if v < 1<<16 {
			return h, 0, errLengthLong
		}
		h.Length = int64(v)
	default:
		h.Length = int64(l)
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		copy(h.Mask[:], b[n:])
		n += 4
	}
	return h, n, nil
}

// checkHeader returns the violation in a client's header, or nil. fragmented says that a message
// is unfinished, deflate that permessage-deflate is negotiated.
//
// It checks more than ws.CheckHeader, which permits RSV2 and RSV3 once an extension is negotiated,
// and RSV1 on control and continuation frames.
func checkHeader(h ws.Header, fragmented, deflate bool) *Error {
	switch {
	case h.OpCode.IsReserved():
		return errOpCode
	case h.Rsv != 0 && !(deflate && h.Rsv == rsv1 && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary)):
		return errRSV
	case !h.Masked:
		return errUnmasked
	case h.OpCode.IsControl() && !h.Fin:
		return errControlFrag
	case h.OpCode.IsControl() && h.Length > ws.MaxControlFramePayloadSize:
		return errControlLong
	case h.OpCode == ws.OpContinuation && !fragmented:
		return errContinuation
	case fragmented && !h.OpCode.IsControl() && h.OpCode != ws.OpContinuation:
		return errInterleaved
	}
	return nil
}

// rsv1 marks the first frame of a compressed message (RFC 7692, section 6), in
// the three bits of ws.Header.Rsv.
const rsv1 = 0x4

// Append appends an unmasked, unfragmented, uncompressed frame, as servers send it.
func Append(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, false, len(payload)), payload...)
}

// AppendHeader appends the header of an unmasked, unfragmented frame with a payload of length
// bytes. compressed says that the payload comes from Compress.
func AppendHeader(dst []byte, op ws.OpCode, compressed bool, length int) []byte {
	b0 := 0x80 | byte(op)
	if compressed {
		b0 |= rsv1 << 4
	}
	switch {
	case length < 126:
		return append(dst, b0, byte(length))
	case length < 1<<16:
		return append(dst, b0, 126, byte(length>>8), byte(length))
	}
	dst = append(dst, b0, 127)
	return binary.BigEndian.AppendUint64(dst, uint64(length))
}

// HeaderLen is the number of bytes that AppendHeader appends for a length.
func HeaderLen(length int) int {
	switch {
	case length < 126:
		return 2
	case length < 1<<16:
		return 4
	}
	return 10
}

// Count returns the number of frames in b, which holds whole frames. It reads the headers only,
// each in 5 ns.
func Count(b []byte) (n int) {
	for len(b) > 0 {
		h, hn, err := parseHeader(b)
		if err != nil || hn == 0 {
			return n
		}
		b = b[hn+int(h.Length):]
		n++
	}
	return n
}
