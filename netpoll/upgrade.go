package netpoll

import (
	"bytes"

	"webim/netpoll/internal/head"
	"webim/netpoll/internal/refusal"
)

// upgrade answers an upgrade and opens the connection. behind are the bytes after the head: frames
// that must not be lost.
func (s *Server) upgrade(w *worker, r *record, q *Request, behind []byte) (more bool) {
	if bad := q.check(); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if bad := s.forwarded(r, q); bad != nil {
		s.refuse(r, bad)
		return false
	}
	answer, ext, bad := s.negotiate(q, w.answer[:0])
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		return false
	}
	if q.data != nil { // also if it is refused: for Config.NeverOpened
		s.extraLocked(r).data = q.data
	}
	if bad != nil {
		r.mu.Unlock()
		s.refuse(r, bad)
		return false
	}
	w.answer = answer
	// The answer must be first on the wire, but Open must be first in time: a client that has read
	// 101 must be in its room. So the write bit is held during Open, and frames that are pushed
	// meanwhile are queued. fOpen decides, under the lock, whether a close sends a Close frame or
	// an HTTP error.
	r.w |= wBit
	r.flags.Or(openFlags(ext))
	r.mu.Unlock()
	r.stage = stageOpen
	s.addrs.Opened(r.ip)
	s.stats.opened.Add(1)
	s.stats.open.Add(1)
	s.arm(r, s.firstPing(r))
	s.opening(r, q)
	s.answer(r, answer)
	if len(behind) > 0 && !s.inputOf(r).KeepReady(bytes.Clone(behind)) {
		return s.inputRefused(r)
	}
	if r.flags.Load()&fClosing != 0 {
		return false
	}
	return s.readOpen(w, r)
}

// openFlags returns the flags of a connection that opens.
func openFlags(ext head.Extension) uint32 {
	flags := fOpen | fFirst
	if ext.Deflate {
		flags |= fDeflate
	}
	if ext.Small {
		flags |= fSmallWindow
	}
	return flags
}

// answer writes the answer to an upgrade and releases the write bit, which is held. Frames that
// Open has pushed leave with it in one write. That is one TCP segment for the client, and half of
// the kernel's work for two.
func (s *Server) answer(r *record, answer []byte) {
	r.mu.Lock()
	if r.output == 0 || r.flags.Load()&(fAbort|fTLS) != 0 {
		r.mu.Unlock()
		s.writeFirst(r, answer)
		return
	}
	s.answerFirstLocked(r, answer)
	s.unlockWriter(r)
}

// check returns the answer to an upgrade that is not as it must be, or nil.
func (q *Request) check() *refusal.Error {
	if bad := q.head.CheckUpgrade(); bad != nil {
		return bad
	}
	switch origin, n := q.head.Get("Origin"); {
	case n == 0: // not a browser
		return nil
	case n > 1 || len(origin) == 0:
		return refusal.BadOrigin("")
	}
	return q.s.originAllowed(q)
}

// negotiate asks the handler, chooses from the client's offers, and appends the answer 101. The
// request has passed check.
func (s *Server) negotiate(q *Request, answer []byte) ([]byte, head.Extension, *refusal.Error) {
	if s.handshaking(q); q.refused != nil {
		return nil, head.Extension{}, q.refused
	}
	offer := head.Offer{Subprotocols: s.cfg().Subprotocols, Subprotocol: q.subprotocol, Chosen: q.chosen, NoDeflate: s.cfg().NoDeflate, Extra: q.extra}
	answer, protocol, ext, err := q.head.Negotiate(offer, answer)
	q.subprotocol = protocol
	return answer, ext, err
}

// forwarded counts the connection under its client's address from here on, if a listed proxy names
// the client in X-Forwarded-For. Otherwise the connection stays counted for the peer. It returns the
// answer if the client has reached a limit.
func (s *Server) forwarded(r *record, q *Request) *refusal.Error {
	if s.listeners()[r.listener].ProxyProtocol {
		return nil // the proxy has named the client before
	}
	client, ok := s.addrs.Client(s.addrs.AddrPort(r.ip, 0).Addr(), q.head.All("X-Forwarded-For"))
	if !ok {
		return nil
	}
	ip, ok := s.addrs.Add(client, s.cfg().MaxConnsPerIP, -1)
	if !ok { // until it has ended it stays counted for the proxy
		s.addrs.Forget(ip)
		return refusal.AtLimit(refusal.PerIP)
	}
	r.mu.Lock()
	old := r.ip
	r.ip, r.port = ip, 0
	r.mu.Unlock()
	s.addrs.Remove(old, true)
	return nil
}
