package netpoll

import (
	"bytes"
	"io"
	"strings"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// upgrade answers an upgrade and opens the connection. behind is what came
// after the head: frames that must not be lost.
func (s *Server) upgrade(w *worker, r *record, q *Request, behind []byte) (more bool) {
	if bad := q.check(); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if bad := s.forwarded(r, q); bad != nil {
		s.refuse(r, bad)
		return false
	}
	answer, n, bad := s.negotiate(q, w.answer[:0])
	if bad != nil {
		s.refuse(r, bad)
		return false
	}
	w.answer = answer
	flags := fOpen | fFirst
	if n.accepted {
		flags |= fDeflate
	}
	if n.small {
		flags |= fSmallWindow
	}
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		return false
	}
	if q.data != nil {
		s.extraLocked(r).data = q.data
	}
	// The answer must come first on the wire, but Open first in time: who has
	// read 101 must be in the room. So the write bit is held over Open, and
	// what is pushed meanwhile is queued. With fOpen it is decided, under the
	// lock, that a close says goodbye with a frame and not with an HTTP error.
	r.w |= wBit
	r.flags.Or(flags)
	r.mu.Unlock()
	r.stage = stageOpen
	s.addrs.opened(r.ip)
	s.stats.opened.Add(1)
	s.stats.open.Add(1)
	s.wheelOf(r).arm(r, s.firstPing(r))
	s.opening(r, q)
	s.writeFirst(r, answer)
	if len(behind) > 0 {
		in := s.newInput(r)
		in.rest, in.ready = bytes.Clone(behind), true
		if !in.hold(s, cap(in.rest)) {
			return s.inputRefused(r)
		}
	}
	if r.flags.Load()&fClosing != 0 {
		return false
	}
	return s.readOpen(w, r)
}

// writeFirst writes b before all that is queued, with the write bit held, and
// lets the bit go.
func (s *Server) writeFirst(r *record, b []byte) {
	n, errno := 0, unix.Errno(0)
	if r.flags.Load()&fTLS == 0 {
		n, errno = s.write(int(r.fd), b)
	}
	r.mu.Lock()
	if n > 0 {
		r.bytesOut += uint64(n)
		r.sent.Store(s.clock.now.Load())
	}
	if n < len(b) && r.flags.Load()&fAbort == 0 {
		// As if it were cut, even if nothing is written yet: a pong that is
		// owed goes before all that is whole, and must not go before a 101.
		rest := newBuffer(bytes.Clone(b[n:]))
		s.frontLocked(r, ref{rest, rest.b}, true)
		s.failedLocked(r, errno)
	}
	s.unlockWriter(r)
}

// negotiate asks the handler, then lets gobwas' Upgrader write the answer: it
// chooses among what the client offers.
func (s *Server) negotiate(q *Request, answer []byte) ([]byte, negotiation, *refusedError) {
	var n negotiation
	if s.handshaking(q); q.refused != nil {
		return nil, n, q.refused
	}
	m := memory{in: q.essence(), out: answer}
	u := ws.Upgrader{ReadBufferSize: len(m.in), Protocol: func(p []byte) bool { return s.speaks(q, p) }}
	if !s.cfg.NoDeflate {
		u.Negotiate = n.offer
	}
	if len(q.extra) > 0 {
		u.Header = ws.HandshakeHeaderBytes(q.extra)
	}
	hs, err := u.Upgrade(&m)
	if err != nil {
		return nil, n, errExtensions
	}
	q.subprotocol = hs.Protocol
	return m.out, n, nil
}

// essence is the request as the Upgrader is to see it: what check has found
// good in one form, and what is to be negotiated as it came. It would refuse an
// Upgrade or a Connection header that names more than one thing (RFC 9110,
// section 7.8: the server chooses).
func (q *Request) essence() []byte {
	key, _ := q.get("Sec-WebSocket-Key")
	b := append(q.asked[:0], "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	b = append(append(b, key...), crlf...)
	for _, f := range q.fields {
		for _, name := range [...]string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
			if !strings.EqualFold(string(f.name), name) {
				continue
			}
			if value := listed(string(f.value)); value != "" {
				b = append(append(append(b, name...), ": "...), value...)
				b = append(b, crlf...)
			}
		}
	}
	q.asked = append(b, crlf...)
	return q.asked
}

// listed is the value of a list header without its empty elements, which are no error
// (RFC 9110, section 5.6.1.2). A value with quotes, within which a comma is none,
// stays as it is.
func listed(value string) string {
	if strings.Contains(value, `"`) {
		return value
	}
	var all []string
	for one := range strings.SplitSeq(value, ",") {
		if one = strings.Trim(one, " \t"); one != "" {
			all = append(all, one)
		}
	}
	return strings.Join(all, ",")
}

// speaks reports whether a subprotocol that the client asked for is chosen.
func (s *Server) speaks(q *Request, p []byte) bool {
	if q.chosen {
		return string(p) == q.subprotocol
	}
	for _, sp := range s.cfg.Subprotocols {
		if string(p) == sp {
			return true
		}
	}
	return false
}

// memory is the connection that the Upgrader thinks it has.
type memory struct{ in, out []byte }

func (m *memory) Read(p []byte) (int, error) {
	if len(m.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	m.out = append(m.out, p...)
	return len(p), nil
}
