package netpoll

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// To register a socket with epoll takes longer than everything else that a connection needs to move. So before a live upgrade
// makes anybody stand still, the old process lends its sockets to the new one, which registers them while the old one serves on:
//
//	old process                       new process
//	                                  Hold, Freeze
//	Lend                  ──────►     Borrow
//	Hold, Freeze
//	State                 ──────►     Restore: gives back the sockets of connections that have ended
//	Export                ──────►     Adopt: what was lent comes without a descriptor
//	                                  Adopted: gives back the others
//
// A lent socket is the old process's, as before: the new one neither reads nor writes it. The kernel ends a connection when its last
// descriptor closes, so the old process shuts a connection down that it ends meanwhile. If that connection is to be reset, its client
// sees the end of the stream at once, and the reset when the new process has closed its descriptor.

// maxLent is the number of sockets that Lend passes on at a time, and so of the descriptors that it needs for a moment.
const maxLent = 64

// Lend passes the descriptors of open connections with their ids to batch, up to 64 at a time, while the server serves. batch must
// not keep the slices; Held.Borrow of the other process takes them. Connections over TLS, in their handshake, or in net/http are not
// among them. An error of batch ends Lend. TakeBack, Held.Thaw and Held.Release end the loan; the other process has ended
// then, or has given back what it did not adopt.
//
// One goroutine calls Lend, TakeBack, Hold and the methods of Held.
func (s *Server) Lend(batch func(ids []byte, fds []int) error) error {
	s.lending.Store(true) // first: see finish
	s.lent.gens = nil
	var some []Conn
	for c := range s.Conns() {
		if some = append(some, c); len(some) == maxLent {
			if err := s.lendSome(some, batch); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return s.lendSome(some, batch)
}

// lendSome is Lend for at most maxLent connections.
func (s *Server) lendSome(conns []Conn, batch func(ids []byte, fds []int) error) error {
	var ids []byte
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	s.lent.gens = append(s.lent.gens, make([]uint32, int(s.slab.Len())-len(s.lent.gens))...)
	for _, c := range conns {
		if fd, ok := s.lend(c); ok {
			ids, fds = binary.BigEndian.AppendUint64(ids, uint64(c.ID())), append(fds, fd)
			s.lent.gens[c.r.index] = c.gen
		}
	}
	if len(fds) == 0 {
		return nil
	}
	return batch(ids, fds)
}

// lend returns a second descriptor of a connection that can move, and has no TLS. The connection may end at any time, and its own
// descriptor may then be that of another file. Without room for one more descriptor, the connection's own moves later.
func (s *Server) lend(c Conn) (fd int, ok bool) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.gen.Load() != c.gen || c.r.w&wDead != 0 || c.r.flags.Load()&(fOpen|fTLS) != fOpen {
		return -1, false
	}
	fd, err := unix.FcntlInt(uintptr(c.r.fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, err == nil
}

// TakeBack ends a loan that led to nothing, after the other process has ended.
func (s *Server) TakeBack() {
	s.lending.Store(false)
	s.lent.gens = nil
}
