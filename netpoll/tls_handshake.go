package netpoll

import (
	"context"
	"errors"

	"webim/netpoll/internal/head"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/tlsmem"

	"golang.org/x/sys/unix"
)

// TLS runs over memory; see package tlsmem. The turn feeds in the ciphertext that it reads. The
// ciphertext that crypto/tls makes leaves with the flush, as plain frames do. A handshake has a
// goroutine while it lasts. It gets one of a limited number of slots (package waiting), and only after a
// whole ClientHello: a client that opens sockets and sends nothing costs a parked record.

// readHello waits for a whole ClientHello, then for the handshake.
func (s *Server) readHello(w *worker, r *record) (more bool) {
	t := s.extras.At(r.extra).tls
	st := t.Status()
	switch {
	case st.Done && st.Failed != nil:
		// The alert is in the output.
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed, answer: []byte{}, last: true})
		return false
	case st.Done:
		r.stage = stageHTTP
		r.flags.Or(fReadable)
		return s.readHead(w, r)
	case st.Input > tlsmem.MaxHello && !st.Handshaking: // no client sends so much before the server answers
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
		return false
	case st.Input > tlsmem.MaxHello && !t.WantsInput():
		return false // the Conn wakes the turn when it wants more
	}
	waited := t.waits
	if waited {
		s.startHandshake(r, t)
	}
	// Also while it waits or its handshake lasts, because the client's end must be seen.
	if !s.feedHandshake(w, r, t, st.Handshaking) {
		return false
	}
	return st.Handshaking || waited || s.checkHello(r, t)
}

// feedHandshake reads ciphertext of a connection whose handshake has not ended. It reports whether
// some has come.
func (s *Server) feedHandshake(w *worker, r *record, t *tlsState, handshaking bool) bool {
	w.needCiphertext()
	n, errno := s.readRaw(r, w.cipher)
	switch {
	case n > 0:
		t.Feed(w.cipher[:n])
		return true
	case errno == 0 && handshaking:
		t.EndInput() // the client may have sent everything before, its request too
	case errno != unix.EAGAIN:
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
	case !t.CountInput():
		s.inputRefused(r)
	}
	return false
}

// checkHello starts the handshake once the ClientHello is whole. It returns false if the client does
// not speak TLS.
func (s *Server) checkHello(r *record, t *tlsState) bool {
	var whole, bad, proxy, begun bool
	t.Peek(func(in []byte) {
		whole, bad = tlsmem.WholeHello(in)
		proxy, begun = head.IsProxyHeader(in)
	})
	switch {
	case bad && begun:
		return true // of the PROXY protocol's header the rest is still to come
	case bad:
		s.plainOnTLS(r, t, proxy)
		return false
	case whole:
		s.startHandshake(r, t)
	}
	return true
}

// readRaw reads ciphertext, as long as there may be some.
func (s *Server) readRaw(r *record, b []byte) (int, unix.Errno) {
	if r.flags.And(^fReadable)&fReadable == 0 {
		return 0, unix.EAGAIN
	}
	n, errno := s.readSocket(r, b)
	if n > 0 {
		r.flags.Or(fReadable)
	}
	return n, errno
}

// plainOnTLS answers a client that speaks HTTP to a TLS port as net/http does, and a client that
// sends the PROXY protocol as on a plain port.
func (s *Server) plainOnTLS(r *record, t *tlsState, proxy bool) {
	if proxy {
		s.refuseUnencrypted(r, t, head.ErrProxyHeader, head.ErrProxyHeader.Answer())
		return
	}
	s.refuseUnencrypted(r, t, &refusal.Error{Why: refusal.NotHTTP},
		[]byte("HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"))
}

// refuseUnencrypted refuses a connection before its TLS handshake, in plain text.
func (s *Server) refuseUnencrypted(r *record, t *tlsState, bad *refusal.Error, answer []byte) {
	s.refusals.Count(bad.Why)
	s.refusals.Log(bad.Why, s.addrs.AddrPort(r.ip, r.port), bad.Detail)
	t.WriteRaw(answer)
	s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed, answer: []byte{}, last: true})
}

// startHandshake starts the goroutine if the handshake gets a slot. Otherwise the connection waits, and
// its turn calls startHandshake again when it has a slot, and at the latest when a handshake that
// holds one has had its time.
func (s *Server) startHandshake(r *record, t *tlsState) {
	if t.waits = !s.takeTLSSlot(r, t); t.waits {
		s.armBy(r, s.clock.Look()+handshakeGrace*s.ticks.second)
		return
	}
	t.BeginHandshake()
	s.running.Add(1)
	go s.handshake(t, s.conn(r))
}

// errHandshakePanic: a callback of the tls.Config panicked.
var errHandshakePanic = errors.New("netpoll: panic in a callback of the TLS handshake")

// handshake runs on a goroutine of its own. The wheel ends it, through end.
func (s *Server) handshake(t *tlsState, own Conn) {
	defer s.running.Done()
	from, _ := own.Remote()
	err := errHandshakePanic
	s.guard("TLS handshake", func() { err = t.TLS.HandshakeContext(context.Background()) })
	t.EndHandshake(err)
	if err != nil {
		s.stats.tlsFailed.Add(1)
		s.refusals.Log(refusal.BadTLS, from, err.Error())
		own.s.flush(own.r, own.gen)
	} else {
		s.stats.tlsDone.Add(1)
	}
	s.leaveTLSSlot(t)
	own.r.flags.Or(fReadable)
	s.wake(own.r)
}
