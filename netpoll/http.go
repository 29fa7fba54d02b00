package netpoll

import (
	"bytes"
	"net/http"
	"strings"

	"webim/netpoll/internal/head"
	"webim/netpoll/internal/httpbridge"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/tlsmem"
)

// readHead collects the head of a request and answers it: an upgrade here, everything else by
// net/http. It keeps the bytes behind the head for the next step.
func (s *Server) readHead(w *worker, r *record) (more bool) {
	for stop := r.bytesIn + readBudget; r.bytesIn < stop; {
		var b []byte
		in := s.inputs.At(r.input)
		if in != nil && in.Ready {
			b = in.Rest // a re-upgrade may bring more than buf holds
		} else {
			if in != nil {
				b = w.buf[:copy(w.buf, in.Rest)]
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
			scanned, lines = in.Scanned, in.Lines
		}
		end, scanned, lines, bad := head.Scan(b, scanned, lines, s.cfg().MaxHead)
		switch {
		case bad != nil:
			s.refuse(r, bad)
			return false
		case end > 0:
			s.freeInput(r)
			return s.answerHead(w, r, b, end)
		case !s.inputOf(r).KeepHead(b, scanned, lines):
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
	if s.cfg().Health != nil && req.mayAskHealth() && s.answerHealth(r, req) {
		return false
	}
	if why := s.refusalOf(r); why != "" {
		s.refuse(r, refusal.AtLimit(why))
		return false
	}
	if s.stopping.Load() {
		s.refuse(r, refusal.ErrStopping)
		return false
	}
	if req.head.IsUpgrade() {
		return s.upgrade(w, r, req, b[end:])
	}
	s.handOver(r, bytes.Clone(b))
	return false
}

// handOver takes a connection off epoll and gives it to net/http, with the bytes that were read of
// it. The record is free afterwards.
func (s *Server) handOver(r *record, head []byte) {
	if !s.httpConns.TakeSlot(r.ip) {
		s.refuse(r, refusal.AtLimit(refusal.HTTPFull))
		return
	}
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		s.httpConns.GiveSlotBack(r.ip)
		return
	}
	r.w |= wClosing | wDead
	var tls *tlsmem.Conn
	if x := s.extras.At(r.extra); x != nil && x.tls != nil {
		tls = x.tls.Conn
	}
	r.mu.Unlock()
	s.loops[r.loop].Unpark(int(r.fd))
	s.loops[r.loop].wheel.Remove(r.index)
	ip := r.ip
	c, err := s.listeners()[r.listener].http.Adopt(int(r.fd), tls, ip, s.addrs.AddrPort(ip, r.port), head)
	s.addrs.Opened(ip)
	s.stats.closed[HandedToHTTP].Add(1)
	s.forget(r)
	if err != nil {
		s.cfg().Logger.Error("netpoll: handing a connection to net/http", "err", err)
		s.addrs.Remove(ip, false)
		s.open.Add(-1)
		return
	}
	c.Serve()
}

// Postpone gives a request that an http.Handler has got from a server back to the server, if that is held (see Held) and not
// frozen: the handler gets the request once more after Thaw, or that of the process to which the connection moves. The handler must have read
// nothing of the body and written nothing. Postpone reports whether it did; then the handler returns. It cannot for a connection
// over TLS.
func Postpone(w http.ResponseWriter, r *http.Request) bool { return httpbridge.Postpone(w, r) }

// mayAskHealth reports whether a request may be one for Config.Health.
func (q *Request) mayAskHealth() bool {
	return (string(q.head.Method) == http.MethodGet || string(q.head.Method) == http.MethodHead) && !q.head.IsUpgrade()
}

// answerHealth answers for Config.Health and closes, unless Health does not know the path. It takes no
// slot of net/http, so a load balancer gets its answer also when all slots are taken and when the server
// is full.
func (s *Server) answerHealth(r *record, q *Request) (answered bool) {
	path, _, _ := strings.Cut(string(q.head.URI), "?")
	status, line := http.StatusInternalServerError, "internal error"
	s.guard("Config.Health", func() { status, line = s.cfg().Health(strings.TrimRight(path, "/")) })
	if status == 0 {
		return false
	}
	if _, hosts := q.head.Get("Host"); hosts > 1 { // RFC 9112, section 3.2; a health check may send none
		s.refuse(r, head.ErrHost)
		return true
	}
	header := "Cache-Control: no-store\r\n"
	if status == http.StatusServiceUnavailable {
		header += "Retry-After: 5\r\n"
	}
	a := &refusal.Error{Why: refusal.Health, Status: status, Text: line, Header: header, NoBody: string(q.head.Method) == http.MethodHead}
	s.beginClose(r, r.gen.Load(), answerClose(a))
	return true
}
