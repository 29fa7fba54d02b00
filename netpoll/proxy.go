package netpoll

import (
	"net/netip"

	"webim/netpoll/internal/head"
	"webim/netpoll/internal/proxyheader"
	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/refusal"

	"golang.org/x/sys/unix"
)

// Behind a listed proxy a connection belongs to the client that the proxy names: before everything else in a header of
// the PROXY protocol, or with each upgrade in X-Forwarded-For.

// readProxyHeader waits for the header of the PROXY protocol, counts the connection under the client that it names, and
// goes on with TLS or HTTP. It looks at the bytes without taking them until the header is complete, so nothing is kept
// meanwhile, and the bytes behind the header stay in the socket. The deadline of the handshake bounds it.
func (s *Server) readProxyHeader(w *worker, r *record) (more bool) {
	f := r.flags.And(^fReadable) // before the read: an event that comes during it sets it again
	if f&fReadable == 0 {
		return false
	}
	n, errno := rawio.Peek(int(r.fd), w.buf[:proxyheader.Max])
	if errno == unix.EAGAIN {
		return false
	}
	length, err := proxyheader.Length(w.buf[:n])
	if n == 0 || err == nil && length == 0 && f&fHangup != 0 { // no more bytes will come
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
		return false
	}
	var client netip.AddrPort
	if err == nil && length > 0 {
		client, err = proxyheader.Client(w.buf[:length])
	}
	switch {
	case err != nil:
		s.refuseProxyHeader(r, err)
		return false
	case length == 0:
		return false
	}
	if n, _ := s.readSocket(r, w.buf[:length]); n != length || !s.countClient(r, client) {
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
		return false
	}
	r.flags.Or(fReadable)
	if r.flags.Load()&fTLS != 0 {
		r.stage = stageTLS
		return s.readHello(w, r)
	}
	r.stage = stageHTTP
	return s.readHead(w, r)
}

// refuseProxyHeader ends a connection from a listed proxy that does not begin with a header.
func (s *Server) refuseProxyHeader(r *record, err error) {
	bad := *head.ErrNoProxyHeader
	bad.Detail = err.Error()
	if r.flags.Load()&fTLS != 0 {
		s.refuseUnencrypted(r, s.extras.At(r.extra).tls, &bad, bad.Answer())
		return
	}
	s.refuse(r, &bad)
}

// countClient counts a connection in its handshake under the client that a header names. If the client has reached a
// limit, the connection goes on as one that is refused with an answer, and countClient returns false if too many are.
func (s *Server) countClient(r *record, client netip.AddrPort) bool {
	if !client.IsValid() || s.refusalOf(r) != "" {
		return true
	}
	ip, ok := s.addrs.Add(client.Addr(), s.cfg().MaxConnsPerIP, s.cfg().MaxHandshakesPerIP)
	refuse := refusal.Reason("")
	if !ok {
		refuse = refusal.PerIP
		if !s.takeRefusalSlot(refuse) {
			s.addrs.Forget(ip)
			s.refusals.Count(refusal.Unanswered)
			s.refusals.Log(refusal.Unanswered, client, "")
			return false
		}
	}
	r.mu.Lock()
	old := r.ip
	r.ip, r.port = ip, client.Port()
	if refuse != "" {
		s.extraLocked(r).refuse = refuse
	}
	r.mu.Unlock()
	s.addrs.Remove(old, true)
	if refuse != "" {
		s.armBy(r, s.clock.Look()+s.ticks.refusal)
		s.refused.Push(s.conn(r).ID(), s.clock.Look())
	}
	return true
}
