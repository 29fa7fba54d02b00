package netpoll

import (
	"net/netip"
	"time"

	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/socket"
	"webim/netpoll/internal/tlsmem"

	"golang.org/x/sys/unix"
)

const (
	// acceptBatch is the most connections that one wake-up accepts. The kernel reports a
	// level-triggered listener again, and the loop serves its sockets in between.
	acceptBatch = 64
	// acceptPause is the time for which a listener is not watched after it found no descriptor
	// free.
	acceptPause = 100 * time.Millisecond
)

// accept is the first step of the path: it takes connections from the kernel's queue, gives each a
// record, and parks it. It runs on the first loop's goroutine.
func (s *Server) accept(ln *listener) {
	// Shutdown closes the listener under the same lock; accept4 does not block.
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for range acceptBatch {
		if ln.fd < 0 || !ln.watched.Load() {
			return
		}
		fd, addr, port, errno := socket.Accept(ln.fd)
		switch errno {
		case 0:
			s.addConn(ln, fd, addr, port, nil)
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			s.pauseListener(ln, errno)
			return
		default:
			s.cfg().Logger.Error("netpoll: accepting failed", "err", errno, "addr", ln.addr.String())
			return
		}
	}
}

// pauseListener stops watching a listener that found no descriptor or memory for a connection: a
// level-triggered listener would be reported without end. It is watched again after acceptPause.
func (s *Server) pauseListener(ln *listener, errno unix.Errno) {
	s.stats.acceptPauses.Add(1)
	s.cfg().Logger.Warn("netpoll: cannot accept, listener rests", "err", errno, "addr", ln.addr.String(),
		"hint", "raise the limit of open files (ulimit -n) or lower MaxConns")
	s.loops[0].Unpark(ln.fd)
	ln.watched.Store(false)
	s.After(acceptPause, func() {
		if err := s.watch(ln); err != nil {
			s.cfg().Logger.Error("netpoll: listener lost", "err", err)
		}
	})
}

// addConn makes a connection of a descriptor. back is set if the connection comes back from
// net/http for an upgrade. A connection over a limit is accepted to be refused with an answer, as
// long as few are.
func (s *Server) addConn(ln *listener, fd int, addr netip.Addr, port uint16, back *reupgrade) {
	ip, refuse := s.countConn(addr, back != nil)
	if refuse != "" && !s.takeRefusalSlot(refuse) {
		if back != nil {
			back.left()
		}
		s.open.Add(-1)
		s.countOut(ip, refuse, false)
		s.refusals.Count(refusal.Unanswered)
		s.refusals.Log(refusal.Unanswered, netip.AddrPortFrom(addr, port), "")
		unix.Close(fd)
		return
	}
	if back == nil {
		s.stats.accepted.Add(1)
	}
	if ln.Network == "unix" && s.cfg().SendBuffer > 0 {
		// Unlike TCP, Unix sockets inherit nothing. A failure costs only memory.
		_ = socket.SetSendBuffer(fd, s.cfg().SendBuffer)
	}
	r := s.slab.Get()
	r.fd, r.ip, r.port = int32(fd), ip, port
	s.initRecord(r, ln, refuse, back)
	s.arm(r, r.deadline.Load())
	err := s.loops[r.loop].park(r)
	// From here on the record is this connection's. An event since it was parked has woken a turn
	// that saw no connection yet.
	r.mu.Lock()
	gen := r.gen.Begin()
	r.mu.Unlock()
	if back != nil {
		back.left()
	}
	s.noteWaiting(r, gen, refuse, back != nil)
	if err != nil {
		s.cfg().Logger.Error("netpoll: parking failed", "err", err)
		s.beginClose(r, gen, closing{cause: HandshakeFailed})
	} else if s.stopping.Load() && (refuse == "" || s.drainCtx.Err() != nil) {
		// Shutdown listed the connections before this one was there.
		s.closeForShutdown(Conn{s, r, gen})
	} else if back != nil || r.flags.Load()&fReadable != 0 {
		s.wake(r)
	}
}

// countConn counts a connection in the server and in its address. It returns the reason why the
// connection must be refused, or "". A re-upgrade has kept its slot in the server.
func (s *Server) countConn(addr netip.Addr, back bool) (ip uint32, refuse refusal.Reason) {
	handshakes := s.cfg().MaxHandshakesPerIP
	if back {
		handshakes = 0 // its head has come, so it waits for nobody
	}
	ip, ok := s.addrs.Add(addr, s.cfg().MaxConnsPerIP, handshakes)
	if !ok {
		refuse = refusal.PerIP
	}
	if !back {
		s.open.Add(1)
		if s.isFull() && (refuse != "" || !s.makeRoom()) {
			if refuse == "" {
				s.addrs.Uncount(ip)
			}
			refuse = refusal.Full
		}
	}
	if refuse == "" && s.stopping.Load() {
		refuse = refusal.Stopping
	}
	return ip, refuse
}

// noteWaiting puts a new connection on the list of those that wait for their clients.
func (s *Server) noteWaiting(r *record, gen uint32, refuse refusal.Reason, back bool) {
	switch id := (Conn{s, r, gen}).ID(); {
	case back:
	case refuse != "":
		s.refused.Push(id, s.clock.Look())
	default:
		s.handshakes.Push(id, s.clock.Look())
	}
}

// initRecord sets everything that a connection begins with, before it is parked: its loop, its
// first deadline and stage, TLS, and what a re-upgrade brings.
func (s *Server) initRecord(r *record, ln *listener, refuse refusal.Reason, back *reupgrade) {
	own := Conn{s, r, r.gen.Next()} // the handle that the connection will have
	now := s.clock.Look()
	n := s.nextLoop()
	r.listener, r.loop, r.opened = uint8(ln.index), uint8(n), now
	r.seen.Store(now)
	r.sent.Store(now)
	ticks := s.cfg().ticks
	r.deadline.Store(now + ticks.handshake)
	r.stage = stageHTTP
	var flags uint32
	var x *extra
	if refuse != "" {
		x = &extra{refuse: refuse}
		r.deadline.Store(now + min(ticks.handshake, s.ticks.refusal))
	}
	if back != nil && back.tls != nil {
		x = &extra{refuse: refuse, tls: &tlsState{Conn: back.tls}}
		flags |= fTLS
	} else if ln.tls != nil {
		x = &extra{refuse: refuse, tls: newTLSState(ln)}
		flags |= fTLS
		r.stage = stageTLS
	}
	if x != nil {
		if x.tls != nil {
			x.tls.SetOwner(tlsOwner{own}) // first: shedInput looks at all extras
		}
		r.extra = s.extras.Put(x)
	}
	if back == nil && ln.ProxyProtocol && s.addrs.Listed(s.addrs.AddrPort(r.ip, 0).Addr()) {
		r.stage = stageProxy
	}
	if back != nil {
		flags |= fReadable // crypto/tls may hold more than the socket
	}
	if back != nil && len(back.head) > 0 {
		in := s.newInput(own)
		in.KeepReady(back.head) // if that is over the limit, its next step is refused
		r.input = s.inputs.Put(in)
	}
	r.flags.Store(flags)
}

// nextLoop assigns connections to loops in turn.
func (s *Server) nextLoop() int { return int(s.lastLoop.Add(1)) % len(s.loops) }

// watch makes the first loop accept the connections of a listener, unless it does already.
func (s *Server) watch(ln *listener) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.fd < 0 || ln.watched.Swap(true) {
		return nil
	}
	return s.loops[0].Watch(ln.fd, func() { s.accept(ln) })
}

// unwatch ends watch.
func (s *Server) unwatch(ln *listener) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.watched.Swap(false) {
		s.loops[0].Unpark(ln.fd)
	}
}

// reupgrade is the state that a connection brings back from net/http.
type reupgrade struct {
	head []byte
	tls  *tlsmem.Conn
	left func() // gives the slot at net/http back
}
