package netpoll

import (
	"bytes"
	"net/http"
	"strings"
)

// maxHead is the default of Config.MaxHead: a token of the most bytes that are taken
// fits in, and the cookies of other programs of a host.
const maxHead = 16 << 10

// mostHead is the most that Config.MaxHead may be: a head has to fit into a worker's
// buffer, with a byte to spare.
const mostHead = readSize - 4<<10

// maxHeadLines bounds the header fields of a request; Config.MaxHead bounds its bytes.
const maxHeadLines = 64

// maxEmptyLines is how many empty lines may stand before a request (RFC 9112, section
// 2.2: some clients send one behind a body).
const maxEmptyLines = 4

// emptyLines is how many bytes of empty lines a head begins with.
func emptyLines(b []byte) (n int) {
	for n < 2*maxEmptyLines && bytes.HasPrefix(b[n:], crlf) {
		n += len(crlf)
	}
	return n
}

// proxyHeaders begin a connection from a proxy that is set to send the PROXY protocol,
// versions 1 and 2.
var proxyHeaders = [...]string{"PROXY TCP", "PROXY UNKNOWN", "\r\n\r\n\x00\r\nQUIT\n"}

// proxyHeader reports whether b begins with a header of the PROXY protocol (is), or is
// the beginning of one (begun).
func proxyHeader(b []byte) (is, begun bool) {
	for _, h := range proxyHeaders {
		is = is || bytes.HasPrefix(b, []byte(h))
		begun = begun || strings.HasPrefix(h, string(b[:min(len(b), len(h))]))
	}
	return is, begun && !is
}

// readHead collects the head of a request and answers it: an upgrade here,
// anything else by net/http. What is behind the head is kept for what follows.
func (s *Server) readHead(w *worker, r *record) (more bool) {
	for stop := r.bytesIn + readBudget; r.bytesIn < stop; {
		var b []byte
		in := s.inputs.At(r.input)
		if in != nil && in.ready {
			b = in.rest // what comes back from net/http may be more than buf holds
		} else {
			if in != nil {
				b = w.buf[:copy(w.buf, in.rest)]
			}
			n, end := s.fill(w, r, len(b))
			if n == 0 {
				if end {
					s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
				}
				return false
			}
			b = w.buf[:len(b)+n]
		}
		scanned, lines := 0, 0
		if in != nil {
			scanned, lines = in.scanned, in.lines
		}
		end, scanned, lines, bad := scanHead(b, scanned, lines, s.cfg.MaxHead)
		switch {
		case bad != nil:
			s.refuse(r, bad)
			return false
		case end > 0:
			s.freeInput(r)
			return s.answerHead(w, r, b, end)
		case !s.keepHead(r, b, scanned, lines):
			return s.inputRefused(r)
		}
	}
	return true
}

// keepHead stores an unfinished head; it is bounded by MaxHead, and counted.
func (s *Server) keepHead(r *record, b []byte, scanned, lines int) bool {
	in := s.inputs.At(r.input)
	if in == nil {
		in = s.newInput(r)
	}
	in.rest = append(in.rest[:0], b...)
	in.ready, in.scanned, in.lines = false, scanned, lines
	return in.hold(s, cap(in.rest))
}

// scanHead looks for the empty line that ends a head, from where it left off:
// the work is linear however the bytes arrive. end is the head's length, 0
// while it is unfinished. Bare LF and control characters are refused: another
// server on the way might read the lines differently.
func scanHead(b []byte, scanned, lines, most int) (end, pos, nlines int, bad *refusedError) {
	is, begun := proxyHeader(b)
	if is {
		return 0, 0, 0, errProxyHeader
	}
	first := emptyLines(b)
	switch rest := b[first:]; {
	case len(rest) == 0, begun, len(rest) == 1 && rest[0] == '\r' && first < 2*maxEmptyLines:
		return 0, 0, 0, nil
	case rest[0] < 'A' || rest[0] > 'Z':
		return 0, 0, 0, errNotHTTP
	}
	for i := max(first, scanned); i < len(b); i++ {
		if i >= most {
			return 0, 0, 0, errHeadTooLarge
		}
		switch c := b[i]; {
		case c == '\n':
			if i == first || b[i-1] != '\r' {
				return 0, 0, 0, errBareLF
			}
			if i >= first+3 && b[i-2] == '\n' {
				return i + 1, i + 1, lines, nil
			}
			if lines++; lines > maxHeadLines+1 {
				return 0, 0, 0, errHeadTooLarge
			}
		case c < ' ' && c != '\r' && c != '\t', c == 0x7f, i > first && b[i-1] == '\r':
			return 0, 0, 0, errBadByte
		}
	}
	return 0, len(b), lines, nil
}

// answerHead decides who answers a whole head: b[:end]. b[end:] came behind it.
func (s *Server) answerHead(w *worker, r *record, b []byte, end int) (more bool) {
	first := emptyLines(b)
	b, end = b[first:], end-first
	req := &w.request
	req.reset(s, r)
	if bad := req.parse(b[:end]); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if s.cfg.Health != nil && req.asksHealth() && !req.isUpgrade() {
		s.answerHealth(r, req)
		return false
	}
	if why := s.refusalOf(r); why != "" {
		s.refuse(r, why.err())
		return false
	}
	if s.stopping.Load() {
		s.refuse(r, errStopping)
		return false
	}
	if req.isUpgrade() {
		return s.upgrade(w, r, req, b[end:])
	}
	s.handOver(r, bytes.Clone(b))
	return false
}

// refusalOf is the reason why a connection was let in only to be refused, or "".
func (s *Server) refusalOf(r *record) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := s.extras.At(r.extra); x != nil {
		return x.refuse
	}
	return ""
}

// asksHealth reports whether a request is for /health.
func (q *Request) asksHealth() bool {
	path, _, _ := strings.Cut(string(q.uri), "?")
	return strings.TrimRight(path, "/") == "/health" && (string(q.method) == http.MethodGet || string(q.method) == http.MethodHead)
}

// answerHealth answers for Config.Health and closes. It takes no place of net/http, so
// that a balancer is answered when all are taken and when the server is full.
func (s *Server) answerHealth(r *record, q *Request) {
	if _, hosts := q.get("Host"); hosts > 1 { // RFC 9112, section 3.2; whoever checks the health may send none
		s.refuse(r, errHost)
		return
	}
	status, text := http.StatusInternalServerError, "internal error"
	s.guard("Config.Health", func() { status, text = s.cfg.Health() })
	header := "Cache-Control: no-store\r\n"
	if status == http.StatusServiceUnavailable {
		header += "Retry-After: 5\r\n"
	}
	a := &refusedError{why: answeredHealth, status: status, text: text, header: header, noBody: string(q.method) == http.MethodHead}
	s.beginClose(r, r.gen.Load(), a.closing())
}
