package frame

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// ParseClose reads the payload of a client's Close frame. For an empty payload the code is 1005
// (RFC 6455, section 7.1.5). The reason lies in p.
func ParseClose(p []byte) (code ws.StatusCode, reason []byte, err *Error) {
	if len(p) == 0 {
		return ws.StatusNoStatusRcvd, nil, nil
	}
	if len(p) == 1 {
		return 0, nil, errCloseLength
	}
	code = ws.StatusCode(binary.BigEndian.Uint16(p))
	reason = p[2:]
	switch {
	case !Sendable(code):
		return 0, nil, errCloseCode
	case !utf8.Valid(reason):
		return 0, nil, errCloseUTF8
	}
	return code, reason, nil
}

// Sendable reports whether a Close frame may carry the code: one that RFC 6455 defines, one of the
// three that IANA has registered since, or one of 3000–4999.
func Sendable(c ws.StatusCode) bool {
	switch {
	case c.IsProtocolReserved(), c == ws.StatusNoMeaningYet:
		return false
	case c >= 1000 && c <= 1014, c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// AppendClose appends a Close frame. It removes invalid UTF-8 from the reason, and cuts the reason
// at a whole character to the 123 bytes that a Close frame has room for. With code 1005 the frame
// has no payload.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if code == ws.StatusNoStatusRcvd {
		return Append(dst, ws.OpClose, nil)
	}
	reason = strings.ToValidUTF8(reason, "")
	n, _ := validPrefix([]byte(reason[:min(len(reason), ws.MaxControlFramePayloadSize-2)]))
	return Append(dst, ws.OpClose, ws.NewCloseFrameBody(code, reason[:n]))
}
