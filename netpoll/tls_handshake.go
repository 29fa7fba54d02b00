package netpoll

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"sync"

	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/head"

	"golang.org/x/sys/unix"
)

// TLS runs over memory. The turn feeds in the ciphertext that it reads. The ciphertext that
// crypto/tls writes is queued and leaves with the flush, as plain frames do. After the handshake,
// crypto/tls can repeat a read that found nothing. During the handshake it cannot, so a handshake
// has a goroutine while it lasts. It gets one of a limited number of slots, and only after a whole
// ClientHello: a client that opens sockets and sends nothing costs a parked record.
//
// maxHello bounds a ClientHello. Large ones, with post-quantum keys, have 2 KB.
const maxHello = 16 << 10

// tlsConfig returns a listener's configuration as the server uses it.
func tlsConfig(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.NextProtos = []string{"http/1.1"} // an upgrade needs it
	return cfg
}

// tlsSlots counts the handshakes under way in the server, and lists the connections that wait for a
// slot.
type tlsSlots struct {
	mu      sync.Mutex
	busy    int
	waiting list.List // of *tlsState, in the order in which they came
}

// queueLocked adds a handshake to the end of the list, once.
func (p *tlsSlots) queueLocked(t *tlsState) {
	if t.queued == nil {
		t.queued = p.waiting.PushBack(t)
	}
}

// unqueueLocked takes it off the list.
func (p *tlsSlots) unqueueLocked(t *tlsState) {
	if t.queued != nil {
		p.waiting.Remove(t.queued)
		t.queued = nil
	}
}

// readHello waits for a whole ClientHello, then for the handshake.
func (s *Server) readHello(w *worker, r *record) (more bool) {
	t := s.extras.At(r.extra).tls
	t.mu.Lock()
	shaking, done, failed, waits := t.shaking, t.done, t.failed, t.waits
	pending := len(t.in)
	t.mu.Unlock()
	switch {
	case done && failed != nil:
		// The alert is in the output.
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed, answer: []byte{}, last: true})
		return false
	case done:
		r.stage = stageHTTP
		r.flags.Or(fReadable)
		return s.readHead(w, r)
	case pending > maxHello && !shaking: // no client sends so much before the server answers
		s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
		return false
	case pending > maxHello && !t.wantsInput():
		return false // its Read will wake us
	case waits:
		s.startHandshake(r, t)
	}
	// Also while it waits or shakes hands, because the client's end must be seen.
	w.needCiphertext()
	n, errno := s.readRaw(r, w.cipher)
	if n == 0 {
		switch {
		case errno == 0 && shaking:
			t.endInput() // the client may have sent everything before, its request too
		case errno != unix.EAGAIN:
			s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
		case !t.count():
			s.inputRefused(r)
		}
		return false
	}
	t.feed(w.cipher[:n])
	if shaking || waits {
		return true
	}
	t.mu.Lock()
	whole, bad := wholeHello(t.in)
	is, begun := head.IsProxyHeader(t.in)
	t.mu.Unlock()
	switch {
	case bad && begun:
		return true // of the PROXY protocol's header the rest is still to come
	case bad:
		s.plainOnTLS(r, t, is)
		return false
	case whole:
		s.startHandshake(r, t)
	}
	return true
}

// endInput notes the end of the client's stream.
func (t *tlsState) endInput() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.more.Broadcast()
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

// wholeHello reports whether b holds a whole ClientHello (RFC 8446, section 4: a handshake message
// of type 1 with a length of three bytes, in one or more records of type 22). bad says that it
// never will.
func wholeHello(b []byte) (whole, bad bool) {
	need, have := 4, 0
	for len(b) >= 5 {
		size := int(b[3])<<8 | int(b[4])
		if b[0] != 22 || b[1] != 3 || size == 0 || size > 16<<10 {
			return false, true
		}
		body := b[5:min(len(b), 5+size)]
		if have == 0 && len(body) >= 4 {
			if body[0] != 1 {
				return false, true
			}
			need = 4 + (int(body[1])<<16 | int(body[2])<<8 | int(body[3]))
		}
		have += len(body)
		if have >= need && have >= 4 {
			return true, false
		}
		if need > maxHello || len(b) < 5+size {
			return false, need > maxHello
		}
		b = b[5+size:]
	}
	return false, len(b) > 0 && b[0] != 22
}

// plainOnTLS answers a client that speaks HTTP to a TLS port as net/http does, and a client that
// sends the PROXY protocol as on a plain port.
func (s *Server) plainOnTLS(r *record, t *tlsState, proxy bool) {
	why, answer := refuseNotHTTP, []byte("HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	if proxy {
		why, answer = refuseProxy, head.ErrProxyHeader.Answer()
	}
	s.stats.refused(why)
	s.logRefusal(why, s.addrs.AddrPort(r.ip, r.port), "")
	t.mu.Lock()
	t.out = append(t.out, answer...)
	t.accountLocked()
	t.mu.Unlock()
	s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed, answer: []byte{}, last: true})
}

// startHandshake starts the goroutine, or puts the connection on the list. One address has at most
// a quarter of the slots.
func (s *Server) startHandshake(r *record, t *tlsState) {
	p := &s.tlsSlots
	p.mu.Lock()
	defer p.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.busy >= s.cfg.MaxTLSHandshakes || !s.addrs.TakeSlot(r.ip, addrs.SlotTLS, s.cfg.MaxTLSHandshakes) {
		t.waits = true
		p.queueLocked(t)
		return
	}
	p.unqueueLocked(t) // an event may have been quicker than its turn in the list
	p.busy++
	t.waits, t.shaking = false, true
	s.running.Add(1)
	go s.handshake(t, t.own, r.ip)
}

// errHandshakePanic: a callback of the tls.Config panicked.
var errHandshakePanic = errors.New("netpoll: panic in a callback of the TLS handshake")

// handshake runs on a goroutine of its own. The wheel ends it, through end.
func (s *Server) handshake(t *tlsState, own Conn, ip uint32) {
	defer s.running.Done()
	err := errHandshakePanic
	s.guard("TLS handshake", func() { err = t.conn.HandshakeContext(context.Background()) })
	t.mu.Lock()
	t.shaking, t.done, t.failed, t.silent = false, true, err, 0
	t.mu.Unlock()
	if err != nil {
		own.s.flush(own.r, own.gen)
	}
	s.handshakeDone(ip)
	own.r.flags.Or(fReadable)
	s.wake(own.r)
}

// handshakeDone frees a slot.
func (s *Server) handshakeDone(ip uint32) {
	s.addrs.GiveSlotBack(ip, addrs.SlotTLS)
	s.tlsSlots.mu.Lock()
	s.tlsSlots.busy--
	s.tlsSlots.mu.Unlock()
	s.wakeTLSWaiters()
}

// wakeTLSWaiters wakes one connection for each free slot, in the order in which they came, without
// those of an address that has used up its share. A slot is not reserved for them: a connection
// that ends before it takes its slot leaves it to the next, in leaveTLSQueue.
func (s *Server) wakeTLSWaiters() {
	p := &s.tlsSlots
	p.mu.Lock()
	var next []Conn
	for e := p.waiting.Front(); e != nil && len(next) < s.cfg.MaxTLSHandshakes-p.busy; {
		t := e.Value.(*tlsState)
		e = e.Next()
		t.mu.Lock()
		own := t.own
		t.mu.Unlock()
		if s.addrs.HasSlot(own.r.ip, addrs.SlotTLS, s.cfg.MaxTLSHandshakes) {
			p.unqueueLocked(t)
			next = append(next, own)
		}
	}
	p.mu.Unlock()
	for _, c := range next {
		s.wake(c.r)
	}
}

// leaveTLSQueue ends the wait of a connection that ends.
func (s *Server) leaveTLSQueue(t *tlsState) {
	s.tlsSlots.mu.Lock()
	s.tlsSlots.unqueueLocked(t)
	s.tlsSlots.mu.Unlock()
	s.wakeTLSWaiters()
}
