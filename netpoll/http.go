package netpoll

import (
	"bytes"
	"net/http"
	"strings"

	"webim/netpoll/internal/head"
)

// defaultMaxHead is the default of Config.MaxHead. It has room for a token of the largest size that is
// accepted, and for the cookies of other programs of a host.
const defaultMaxHead = 16 << 10

// largestMaxHead is the most that Config.MaxHead may be: a head has to fit into a worker's buffer, with a
// byte to spare.
const largestMaxHead = readSize - 4<<10

// readHead collects the head of a request and answers it: an upgrade here, everything else by
// net/http. It keeps the bytes behind the head for the next step.
func (s *Server) readHead(w *worker, r *record) (more bool) {
	for stop := r.bytesIn + readBudget; r.bytesIn < stop; {
		var b []byte
		in := s.inputs.At(r.input)
		if in != nil && in.ready {
			b = in.rest // a re-upgrade may bring more than buf holds
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
		end, scanned, lines, bad := head.Scan(b, scanned, lines, s.cfg.MaxHead)
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

// answerHead answers a whole head, b[:end], or gives the connection to net/http. b[end:] are the bytes
// behind the head.
func (s *Server) answerHead(w *worker, r *record, b []byte, end int) (more bool) {
	first := head.EmptyLines(b)
	b, end = b[first:], end-first
	req := &w.request
	req.reset(s, r)
	if bad := req.head.Parse(b[:end]); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if s.cfg.Health != nil && req.asksHealth() && !req.head.IsUpgrade() {
		s.answerHealth(r, req)
		return false
	}
	if why := s.refusalOf(r); why != "" {
		s.refuse(r, refusalError(why))
		return false
	}
	if s.stopping.Load() {
		s.refuse(r, errStopping)
		return false
	}
	if req.head.IsUpgrade() {
		return s.upgrade(w, r, req, b[end:])
	}
	s.handOver(r, bytes.Clone(b))
	return false
}

// refusalOf returns the reason why a connection was accepted only to be refused, or "".
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
	path, _, _ := strings.Cut(string(q.head.URI), "?")
	return strings.TrimRight(path, "/") == "/health" && (string(q.head.Method) == http.MethodGet || string(q.head.Method) == http.MethodHead)
}

// answerHealth answers for Config.Health and closes. It takes no slot of net/http, so a load balancer
// gets its answer also when all slots are taken and when the server is full.
func (s *Server) answerHealth(r *record, q *Request) {
	if _, hosts := q.head.Get("Host"); hosts > 1 { // RFC 9112, section 3.2; a health check may send none
		s.refuse(r, head.ErrHost)
		return
	}
	status, text := http.StatusInternalServerError, "internal error"
	s.guard("Config.Health", func() { status, text = s.cfg.Health() })
	header := "Cache-Control: no-store\r\n"
	if status == http.StatusServiceUnavailable {
		header += "Retry-After: 5\r\n"
	}
	a := &refusedError{Why: answeredHealth, Status: status, Text: text, Header: header, NoBody: string(q.head.Method) == http.MethodHead}
	s.beginClose(r, r.gen.Load(), answerClose(a))
}
