package netpoll

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gobwas/httphead"
)

// The answer to an upgrade is written into the worker's memory: RFC 6455, section
// 4.2.2. gobwas' Upgrader, which wants the request rewritten and its answer to go
// through two buffers, took a microsecond and eight allocations of the 9 µs that a
// handshake costs outside the kernel; it is the oracle of FuzzHandshake.

// switching is the answer up to the value of its key.
const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

// keyLen is the length of Sec-WebSocket-Key: 16 bytes in base64.
const keyLen = 24

// negotiate asks the handler, chooses among what the client offers and appends the
// answer. The request has passed check.
func (s *Server) negotiate(q *Request, answer []byte) ([]byte, negotiation, *refusedError) {
	var n negotiation
	if s.handshaking(q); q.refused != nil {
		return nil, n, q.refused
	}
	if !s.chooseProtocol(q) || !s.cfg.NoDeflate && !q.chooseExtension(&n) {
		return nil, n, errExtensions
	}
	key, _ := q.get("Sec-WebSocket-Key")
	answer = append(appendAccept(append(answer, switching...), key), crlf...)
	if q.subprotocol != "" {
		answer = append(append(append(answer, "Sec-WebSocket-Protocol: "...), q.subprotocol...), crlf...)
	}
	if n.accepted {
		answer = append(n.appendAnswer(append(answer, "Sec-WebSocket-Extensions: "...)), crlf...)
	}
	return append(append(answer, q.extra...), crlf...), n, nil
}

// appendAccept appends the value of Sec-WebSocket-Accept for a key of keyLen bytes.
func appendAccept(b, key []byte) []byte {
	var text [keyLen + len(acceptGUID)]byte
	copy(text[copy(text[:], key):], acceptGUID)
	sum := sha1.Sum(text[:])
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3

// chooseProtocol chooses the first subprotocol of the client's that is known here;
// none is, if it names no such. It reports whether the headers are well-formed.
func (s *Server) chooseProtocol(q *Request) (ok bool) {
	wanted, found := q.subprotocol, ""
	for _, f := range q.fields {
		if found != "" || !f.is("Sec-WebSocket-Protocol") {
			continue
		}
		value := q.listed(f.value)
		ok := len(value) == 0 || httphead.ScanTokens(value, func(p []byte) bool {
			if !q.chosen {
				found = s.known(p)
			} else if string(p) == wanted {
				found = wanted
			}
			return found == ""
		})
		if !ok {
			return false
		}
	}
	q.subprotocol = found
	return true
}

// known is the one of Config.Subprotocols that is named, or "".
func (s *Server) known(name []byte) string {
	if i := slices.IndexFunc(s.cfg.Subprotocols, func(p string) bool { return string(name) == p }); i >= 0 {
		return s.cfg.Subprotocols[i]
	}
	return ""
}

// chooseExtension takes the client's offers of extensions one by one, in its order of
// preference. It reports whether the headers are well-formed.
func (q *Request) chooseExtension(n *negotiation) (ok bool) {
	for _, f := range q.fields {
		if !f.is("Sec-WebSocket-Extensions") {
			continue
		}
		value := q.listed(f.value)
		if len(value) == 0 {
			continue
		}
		offer, index := httphead.Option{}, -1
		ok := httphead.ScanOptions(value, func(i int, name, attr, val []byte) httphead.Control {
			if i != index {
				n.take(offer)
				offer, index = httphead.Option{Name: name}, i
			}
			if attr != nil {
				offer.Parameters.Set(attr, val)
			}
			return httphead.ControlContinue
		})
		if !ok {
			return false
		}
		n.take(offer)
	}
	return true
}

// listed is the value of a list header without its empty elements, which are no error
// (RFC 9110, section 5.6.1.2), in the request's memory: it is good until the next call.
// A value with quotes, within which a comma is none, stays as it is.
func (q *Request) listed(value []byte) []byte {
	if bytes.IndexByte(value, '"') >= 0 {
		return value
	}
	b := q.list[:0]
	for one := range bytes.SplitSeq(value, comma) {
		if one = bytes.Trim(one, " \t"); len(one) > 0 {
			if len(b) > 0 {
				b = append(b, ',')
			}
			b = append(b, one...)
		}
	}
	q.list = b
	return b
}

// is reports whether the field has a name, in any case.
func (f *field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(string(f.name), name)
}
