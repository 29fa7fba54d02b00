package netpoll

import (
	"errors"

	"golang.org/x/sys/unix"
)

// needCiphertext makes the worker's memory for ciphertext, at its first use.
func (w *worker) needCiphertext() {
	if w.cipher == nil {
		w.cipher = make([]byte, 32<<10)
	}
}

// silentReads is the number of reads without a byte of plaintext that end the read of a turn: their
// content (key updates, parts of a record) is work too, and others wait.
const silentReads = 4

// receiveTLS decrypts the ciphertext that has arrived into b.
func (s *Server) receiveTLS(w *worker, r *record, b []byte) (int, unix.Errno) {
	t := s.extras.At(r.extra).tls
	w.needCiphertext()
	for range silentReads {
		n, err := t.conn.Read(b)
		if n > 0 {
			wasted, ok := t.accountText(n)
			if !ok && r.stage != stageOpen {
				s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
				return 0, unix.EAGAIN
			}
			w.cost.Bytes += wasteCost * wasted
			return n, 0
		}
		var none errNoCiphertext
		if !errors.As(err, &none) {
			return 0, 0 // close_notify, or broken beyond repair: the end
		}
		if t.pending() > 2*encryptBudget {
			// Only the answers to key updates grow to so much without a push: this client asks for
			// them and does not read them.
			s.beginClose(r, r.gen.Load(), closing{cause: Slow})
			return 0, unix.EAGAIN
		}
		n, errno := s.readSocket(r, w.cipher)
		if n == 0 {
			if errno != unix.EAGAIN {
				t.mu.Lock()
				t.ended = true
				t.mu.Unlock()
			} else if !t.count() {
				s.inputRefused(r)
			}
			return 0, errno
		}
		t.feed(w.cipher[:n])
	}
	r.flags.Or(fReadable)
	s.wake(r)
	return 0, unix.EAGAIN
}

// tlsPending reports whether ciphertext waits to be written. r.mu is held, or the caller holds the
// turn.
func (s *Server) tlsPending(r *record) bool {
	if r.flags.Load()&fTLS == 0 {
		return false
	}
	return s.extras.At(r.extra).tls.pending() > 0
}

// encryptBudget is the number of bytes that are encrypted ahead of the socket.
const encryptBudget = 64 << 10

// drainTLSLocked is drainLocked for TLS: first it writes the ciphertext, and it encrypts more only
// when all of it is written. The write bit is held.
func (s *Server) drainTLSLocked(r *record) {
	t := s.extras.At(r.extra).tls
	fd, retried := int(r.fd), r.flags.Load()&fBlocked != 0
	for budget := flushBudget; ; {
		t.mu.Lock()
		out := t.out
		ready := t.done && t.failed == nil && t.direct == nil
		t.mu.Unlock()
		if len(out) == 0 {
			if !ready || !s.encryptLocked(r, t) {
				break
			}
			continue
		}
		if budget <= 0 {
			r.flags.Or(fWritable)
			s.wake(r)
			return
		}
		r.mu.Unlock()
		n, errno := s.write(fd, out)
		r.mu.Lock()
		if n > 0 {
			r.bytesOut += uint64(n)
			r.sent.Store(s.clock.Last.Load())
			budget -= n
			t.wrote(n)
			continue
		}
		if errno == unix.EAGAIN && !retried {
			retried = true
			s.blockedLocked(r)
			continue
		}
		if errno != 0 && errno != unix.EAGAIN {
			t.wrote(len(out))
		}
		s.failedLocked(r, errno)
		return
	}
	r.flags.And(^fBlocked)
}

// wrote takes n written bytes off the ciphertext.
func (t *tlsState) wrote(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out = t.out[min(n, len(t.out)):]; len(t.out) == 0 {
		t.out = nil
	}
	t.accountLocked()
}

// encryptLocked turns a part of the queue into ciphertext. It returns false if the queue is empty.
// It releases the lock meanwhile, and the write bit is held.
func (s *Server) encryptLocked(r *record, t *tlsState) bool {
	o := s.outputs.At(r.output)
	if o == nil {
		return false
	}
	s.payPongLocked(o)
	if len(o.live()) == 0 {
		s.waterLocked(r, o)
		s.freeOutputLocked(r, o)
		return false
	}
	var batch [maxIovecs]ref
	refs := batch[:copy(batch[:], o.live())]
	r.mu.Unlock()
	done := 0
	for _, q := range refs {
		b := q.b[:min(len(q.b), encryptBudget-done)]
		n, err := t.conn.Write(b)
		done += n
		if err != nil || done >= encryptBudget {
			break
		}
	}
	r.mu.Lock()
	if o = s.outputs.At(r.output); o == nil {
		return false
	}
	if done == 0 {
		s.dropOutputLocked(r)
		s.failedLocked(r, unix.EPIPE)
		return false
	}
	s.consumeLocked(o, done)
	s.waterLocked(r, o)
	return true
}

// closeNotify ends the TLS connection with a close_notify alert. r.mu is held and no goroutine
// writes.
func (t *tlsState) closeNotify(s *Server, r *record) {
	t.mu.Lock()
	ready := t.done && t.failed == nil
	t.mu.Unlock()
	if !ready {
		return
	}
	r.w |= wBit
	r.mu.Unlock()
	t.conn.CloseWrite()
	r.mu.Lock()
	s.drainLocked(r)
	s.endWriteLocked(r)
}
