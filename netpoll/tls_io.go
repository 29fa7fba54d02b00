package netpoll

import (
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/tlsmem"

	"golang.org/x/sys/unix"
)

// needCiphertext makes the worker's memory for ciphertext, at its first use.
func (w *worker) needCiphertext() {
	if w.cipher == nil {
		w.cipher = make([]byte, 32<<10)
	}
}

// Key updates cost as much as the reading of a kilobyte, in 27 bytes: two new keys, and a record in
// answer. crypto/tls accepts 16 of them before each byte of plaintext. So ciphertext that brings no
// plaintext, padding included, costs wasteCost times its bytes. Until a connection is open, and
// while net/http has it, at most a fixed number of such bytes are accepted (maxWaste in
// internal/tlsmem).
const wasteCost = 32

// silentReads is the number of reads without a byte of plaintext that end the read of a turn: their
// content (key updates, parts of a record) is work too, and others wait.
const silentReads = 4

// receiveTLS decrypts the ciphertext that has arrived into b.
func (s *Server) receiveTLS(w *worker, r *record, b []byte) (int, unix.Errno) {
	t := s.extras.At(r.extra).tls
	w.needCiphertext()
	for range silentReads {
		n, err := t.Read(b)
		if n > 0 {
			wasted, ok := t.CountText(n)
			if !ok && r.stage != stageOpen {
				s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
				return 0, unix.EAGAIN
			}
			w.cost.Bytes += wasteCost * wasted
			return n, 0
		}
		if err != tlsmem.ErrNoInput {
			return 0, 0 // close_notify, or broken beyond repair: the end
		}
		if t.Pending() > 2*encryptBudget {
			// Only the answers to key updates grow to so much without a push: this client asks for
			// them and does not read them.
			s.beginClose(r, r.gen.Load(), closing{cause: Slow})
			return 0, unix.EAGAIN
		}
		n, errno := s.readSocket(r, w.cipher)
		if n == 0 {
			if errno != unix.EAGAIN {
				t.EndInput()
			} else if !t.CountInput() {
				s.inputRefused(r)
			}
			return 0, errno
		}
		t.Feed(w.cipher[:n])
	}
	r.flags.Or(fReadable)
	s.wake(r)
	return 0, unix.EAGAIN
}

// encryptBudget is the number of bytes that are encrypted ahead of the socket.
const encryptBudget = 64 << 10

// drainTLSLocked is drainLocked for TLS: first it writes the ciphertext, and it encrypts more only
// when all of it is written. The write bit is held.
func (s *Server) drainTLSLocked(r *record) {
	t := s.extras.At(r.extra).tls
	fd, retried := int(r.fd), r.flags.Load()&fBlocked != 0
	for budget := flushBudget; ; {
		out, ready := t.Output()
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
			t.Wrote(n)
			continue
		}
		if errno == unix.EAGAIN && !retried {
			retried = true
			s.blockedLocked(r)
			continue
		}
		if errno != 0 && errno != unix.EAGAIN {
			t.Wrote(len(out))
		}
		s.failedLocked(r, errno)
		return
	}
	r.flags.And(^fBlocked)
}

// encryptLocked turns a part of the queue into ciphertext. It returns false if the queue is empty.
// It releases the lock meanwhile, and the write bit is held.
func (s *Server) encryptLocked(r *record, t *tlsState) bool {
	o := s.outputs.At(r.output)
	if o == nil {
		return false
	}
	o.QueuePong()
	if len(o.Live()) == 0 {
		s.noteWatermarkLocked(r, o)
		s.freeOutputLocked(r, o)
		return false
	}
	var batch [maxIovecs]output.Ref
	refs := batch[:copy(batch[:], o.Live())]
	r.mu.Unlock()
	done := 0
	for _, q := range refs {
		b := q.B[:min(len(q.B), encryptBudget-done)]
		n, err := t.TLS.Write(b)
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
	o.Consume(done)
	s.noteWatermarkLocked(r, o)
	return true
}
