package head

import (
	"bytes"
	"strings"
)

// Head is the head of a request. Its slices lie in the bytes that Parse was given. A Head is not
// safe for concurrent use. Reset makes it ready for the next request and keeps its memory.
type Head struct {
	Method, URI, Proto []byte

	fields []field
	list   []byte // memory of elements
}

type field struct{ name, value []byte }

// is reports whether the field has a name, in upper or lower case.
func (f *field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(string(f.name), name)
}

var crlf, space, colon, comma, question = []byte("\r\n"), []byte(" "), []byte(":"), []byte(","), []byte("?")

// Reset empties the head.
func (h *Head) Reset() { *h = Head{fields: h.fields[:0], list: h.list[:0]} }

// Parse splits a whole head into its lines. Scan has checked the ends of the lines.
func (h *Head) Parse(b []byte) *Error {
	line, rest, _ := bytes.Cut(b, crlf)
	var ok1, ok2 bool
	h.Method, line, ok1 = bytes.Cut(line, space)
	h.URI, h.Proto, ok2 = bytes.Cut(line, space)
	if !ok1 || !ok2 || len(h.URI) == 0 || !bytes.HasPrefix(h.Proto, []byte("HTTP/")) || bytes.IndexByte(h.Proto, ' ') >= 0 {
		return errRequestLine
	}
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, colon)
		if !ok || !isToken(name) {
			return errHeaderLine // a folded line too: it begins with a space
		}
		h.fields = append(h.fields, field{name, bytes.Trim(value, " \t")})
	}
}

// isToken reports whether b is a token: RFC 9110, section 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// ValidField reports whether a name and a value can stand in a header line and cannot break it
// apart.
func ValidField(name, value string) bool {
	return isToken([]byte(name)) && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Get returns the value of a header's first line, and the number of its lines.
func (h *Head) Get(name string) (value []byte, n int) {
	for i := range h.fields {
		if f := &h.fields[i]; f.is(name) {
			if n++; n == 1 {
				value = f.value
			}
		}
	}
	return value, n
}

// All returns the values of a header's lines, in their order.
func (h *Head) All(name string) (values []string) {
	for _, f := range h.fields {
		if f.is(name) {
			values = append(values, string(f.value))
		}
	}
	return values
}

// HasToken reports whether a header with a comma-separated list has a token, in upper or lower case.
func (h *Head) HasToken(name, token string) bool {
	for _, f := range h.fields {
		if f.is(name) && ListHas(f.value, token) {
			return true
		}
	}
	return false
}

// ListHas reports whether a comma-separated list has an element, in upper or lower case.
func ListHas(list []byte, element string) bool {
	for e := range bytes.SplitSeq(list, comma) {
		if e = bytes.Trim(e, " \t"); len(e) < 2*len(element) && strings.EqualFold(string(e), element) {
			return true
		}
	}
	return false
}

// elements returns a list without its empty elements, which are no error (RFC 9110, section
// 5.6.1.2). The result lies in the head's memory and is valid until the next call. A list with
// quotes, within which a comma does not separate, stays as it is.
func (h *Head) elements(list []byte) []byte {
	if bytes.IndexByte(list, '"') >= 0 {
		return list
	}
	b := h.list[:0]
	for one := range bytes.SplitSeq(list, comma) {
		if one = bytes.Trim(one, " \t"); len(one) > 0 {
			if len(b) > 0 {
				b = append(b, ',')
			}
			b = append(b, one...)
		}
	}
	h.list = b
	return b
}
