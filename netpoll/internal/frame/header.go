package netpoll

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxHeaderLen is the longest frame header: 2 bytes, 8 of length, 4 of mask.
const maxHeaderLen = 14

// parseHeader reads a frame header from the head of b and returns how many
// bytes it has; 0 without an error means that more bytes are needed.
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
// gobwas/ws reads the same from an io.Reader, which would lose what it read
// at EAGAIN; hence this parser of slices.
func parseHeader(b []byte) (h ws.Header, n int, err *protocolError) {
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

// checkHeader says what is wrong with a client's header. fragmented: a message
// is unfinished. deflate: permessage-deflate is negotiated.
//
// It goes further than ws.CheckHeader, which lets RSV2 and RSV3 through once
// an extension is negotiated, and RSV1 on control and continuation frames.
func checkHeader(h ws.Header, fragmented, deflate bool) *protocolError {
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

// appendHeader appends the header of an unmasked, unfragmented frame.
func appendHeader(dst []byte, op ws.OpCode, compressed bool, length int) []byte {
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

// headerLen is how many bytes appendHeader appends.
func headerLen(length int) int {
	switch {
	case length < 126:
		return 2
	case length < 1<<16:
		return 4
	}
	return 10
}

// checkClose judges the payload of a client's Close frame and returns what it
// says; code 1005 stands for an empty payload (RFC 6455, section 7.1.5).
func checkClose(p []byte) (code ws.StatusCode, reason []byte, err *protocolError) {
	if len(p) == 0 {
		return ws.StatusNoStatusRcvd, nil, nil
	}
	if len(p) == 1 {
		return 0, nil, errCloseLength
	}
	code = ws.StatusCode(binary.BigEndian.Uint16(p))
	reason = p[2:]
	switch {
	case !sendableCode(code):
		return 0, nil, errCloseCode
	case !utf8.Valid(reason):
		return 0, nil, errCloseUTF8
	}
	return code, reason, nil
}

// sendableCode reports whether a code may stand in a Close frame: those that
// RFC 6455 defines, the three that IANA registered since, and 3000–4999.
func sendableCode(c ws.StatusCode) bool {
	switch {
	case c.IsProtocolReserved(), c == ws.StatusNoMeaningYet:
		return false
	case c >= 1000 && c <= 1014, c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// validPrefix returns how many bytes at the head of p are whole, valid UTF-8
// sequences. ok is false at the first byte that no continuation can mend;
// otherwise what is left, three bytes at most, is an unfinished sequence.
func validPrefix(p []byte) (n int, ok bool) {
	// Only the last three bytes can be unfinished: find where the last
	// sequence begins and let the fast validator judge what is before it.
	cut := len(p)
	for i := 1; i <= 3 && i <= len(p); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				cut = len(p) - i
			}
			break
		}
	}
	return cut, utf8.Valid(p[:cut])
}
