package netpoll

import (
	"bytes"
)

const (
	maxHead      = 8 << 10 // bytes of a request's head
	maxHeadLines = 64      // of it, header fields
)

// readHead collects the head of a request and answers it: an upgrade here,
// anything else by net/http. What is behind the head is kept for what follows.
func (s *Server) readHead(w *worker, r *record) (more bool) {
	for stop := r.bytesIn + readBudget; r.bytesIn < stop; {
		var b []byte
		in := s.inputs.at(r.input)
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
		end, scanned, lines, bad := scanHead(b, scanned, lines)
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

// keepHead stores an unfinished head; it is bounded by maxHead, and counted.
func (s *Server) keepHead(r *record, b []byte, scanned, lines int) bool {
	in := s.inputs.at(r.input)
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
func scanHead(b []byte, scanned, lines int) (end, pos, nlines int, bad *refusedError) {
	if len(b) > 0 && (b[0] < 'A' || b[0] > 'Z') {
		return 0, 0, 0, errNotHTTP
	}
	for i := scanned; i < len(b); i++ {
		if i >= maxHead {
			return 0, 0, 0, errHeadTooLarge
		}
		switch c := b[i]; {
		case c == '\n':
			if i == 0 || b[i-1] != '\r' {
				return 0, 0, 0, errBareLF
			}
			if i >= 3 && b[i-2] == '\n' {
				return i + 1, i + 1, lines, nil
			}
			if lines++; lines > maxHeadLines+1 {
				return 0, 0, 0, errHeadTooLarge
			}
		case c < ' ' && c != '\r' && c != '\t', c == 0x7f, i > 0 && b[i-1] == '\r':
			return 0, 0, 0, errBadByte
		}
	}
	return 0, len(b), lines, nil
}

// answerHead decides who answers a whole head: b[:end]. b[end:] came behind it.
func (s *Server) answerHead(w *worker, r *record, b []byte, end int) (more bool) {
	if x := s.extras.at(r.extra); x != nil && x.refuse != "" {
		s.refuse(r, x.refuse.err())
		return false
	}
	if s.stopping.Load() {
		s.refuse(r, errStopping)
		return false
	}
	req := &w.request
	req.reset(s, r)
	if bad := req.parse(b[:end]); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if req.isUpgrade() {
		return s.upgrade(w, r, req, b[end:])
	}
	s.handOver(r, bytes.Clone(b))
	return false
}
