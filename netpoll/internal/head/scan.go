package head

import (
	"bytes"
	"strings"
)

// maxLines is the most header fields of a request. The caller bounds the bytes.
const maxLines = 64

// maxEmptyLines is the number of empty lines that may stand before a request (RFC 9112, section 2.2:
// some clients send one behind a body).
const maxEmptyLines = 4

// EmptyLines returns the number of bytes of empty lines before a request.
func EmptyLines(b []byte) (n int) {
	for n < 2*maxEmptyLines && bytes.HasPrefix(b[n:], crlf) {
		n += len(crlf)
	}
	return n
}

// proxyHeaders are the beginnings of a connection from a proxy that is configured to send the PROXY
// protocol, versions 1 and 2.
var proxyHeaders = [...]string{"PROXY TCP", "PROXY UNKNOWN", "\r\n\r\n\x00\r\nQUIT\n"}

// IsProxyHeader reports whether b begins with a header of the PROXY protocol (is), or may be the
// start of one that has not arrived completely (begun).
func IsProxyHeader(b []byte) (is, begun bool) {
	for _, h := range proxyHeaders {
		is = is || bytes.HasPrefix(b, []byte(h))
		begun = begun || strings.HasPrefix(h, string(b[:min(len(b), len(h))]))
	}
	return is, begun && !is
}

// Scan looks for the empty line that ends a head in b. scanned and lines are the results for a
// shorter b, 0 at first, so the work is linear however the bytes arrive. end is the length of the
// head with its empty line, or 0 while the head is unfinished. A head may have limit bytes.
//
// Scan refuses bare LF and control characters: another server on the way might see other lines.
func Scan(b []byte, scanned, lines, limit int) (end, pos, nlines int, err *Error) {
	is, begun := IsProxyHeader(b)
	if is {
		return 0, 0, 0, ErrProxyHeader
	}
	first := EmptyLines(b)
	switch rest := b[first:]; {
	case len(rest) == 0, begun, len(rest) == 1 && rest[0] == '\r' && first < 2*maxEmptyLines:
		return 0, 0, 0, nil
	case rest[0] < 'A' || rest[0] > 'Z':
		return 0, 0, 0, errNotHTTP
	}
	for i := max(first, scanned); i < len(b); i++ {
		if i >= limit {
			return 0, 0, 0, errTooLarge
		}
		switch c := b[i]; {
		case c == '\n':
			if i == first || b[i-1] != '\r' {
				return 0, 0, 0, errBareLF
			}
			if i >= first+3 && b[i-2] == '\n' {
				return i + 1, i + 1, lines, nil
			}
			if lines++; lines > maxLines+1 {
				return 0, 0, 0, errTooLarge
			}
		case c < ' ' && c != '\r' && c != '\t', c == 0x7f, i > first && b[i-1] == '\r':
			return 0, 0, 0, errBadByte
		}
	}
	return 0, len(b), lines, nil
}
