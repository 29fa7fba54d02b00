package netpoll

import "encoding/binary"

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
// descriptor closes, so the old process shuts a connection down that it ends meanwhile.

// maxMoved is the number of connections that Lend and Export pass on at a time: the descriptors of one message
// (fdpass.MaxFDs).
const maxMoved = 253

// Lend passes the descriptors of open connections with their ids to batch, up to 253 at a time, while the server serves. batch must
// not keep the slices; Held.Borrow of the other process takes them. Connections over TLS, in their handshake, or in net/http are not
// among them. An error of batch ends Lend. TakeBack, Held.Thaw and Held.Release end the loan; the other process has ended
// then, or has given back what it did not adopt.
//
// One goroutine calls Lend, TakeBack, Hold and the methods of Held.
func (s *Server) Lend(batch func(ids []byte, fds []int) error) error {
	s.lending.Store(true) // first: see finish
	var ids []byte
	var fds []int
	var some []Conn
	s.lent.gens = nil
	pass := func() error {
		if err := batch(ids, fds); err != nil {
			return err
		}
		s.lent.gens = append(s.lent.gens, make([]uint32, int(s.slab.Len())-len(s.lent.gens))...)
		for i, c := range some {
			if fd, ok := s.lendable(c); ok && fd == fds[i] { // it was this connection's all the time
				s.lent.gens[c.r.index] = c.gen
			}
		}
		ids, fds, some = ids[:0], fds[:0], some[:0]
		return nil
	}
	for c := range s.Conns() {
		fd, ok := s.lendable(c)
		if !ok {
			continue
		}
		ids, fds, some = binary.BigEndian.AppendUint64(ids, uint64(c.ID())), append(fds, fd), append(some, c)
		if len(fds) == maxMoved {
			if err := pass(); err != nil {
				return err
			}
		}
	}
	if len(fds) == 0 {
		return nil
	}
	return pass()
}

// lendable returns the descriptor of a connection, if that has one of its own and can move without TLS.
func (s *Server) lendable(c Conn) (fd int, ok bool) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.gen.Load() != c.gen || c.r.w&wDead != 0 || c.r.flags.Load()&(fOpen|fTLS) != fOpen {
		return -1, false
	}
	return int(c.r.fd), true
}

// TakeBack ends a loan that led to nothing, after the other process has ended.
func (s *Server) TakeBack() {
	s.lending.Store(false)
	s.lent.gens = nil
}
