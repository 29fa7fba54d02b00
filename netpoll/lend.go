package netpoll

import (
	"encoding/binary"
	"fmt"

	"webim/netpoll/internal/slab"

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
// descriptor closes, so the old process shuts a connection down that it ends meanwhile.

// lent are the sockets that another process has been lent. One goroutine uses it, that of the Held.
type lent struct{ gens []uint32 } // generations, by number of the record; 0: not lent

// has reports whether a connection's socket is lent.
func (l *lent) has(r *record) bool {
	return int(r.index) < len(l.gens) && l.gens[r.index] == r.gen.Load()
}

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

// maxBorrowed is one more than the highest number of a connection that Borrow takes: a damaged id must not cost memory.
const maxBorrowed = 1 << 24

// Borrow registers sockets that Lend of the other process has passed on with epoll. It owns the descriptors, also after an error;
// then the caller calls Release. The server must be frozen, and Restore comes later.
func (h *Held) Borrow(ids []byte, fds []int) error {
	var all []uint64
	for ; len(ids) >= 8; ids = ids[8:] {
		all = append(all, binary.BigEndian.Uint64(ids))
	}
	var err error
	if len(ids) > 0 || len(all) != len(fds) {
		err = fmt.Errorf("netpoll: %d ids came with %d descriptors", len(all), len(fds))
	}
	for k := 0; k < len(all) && err == nil; k++ {
		if err = h.borrow(all[k], fds[0]); err == nil {
			fds = fds[1:]
		}
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return err
}

// borrow is Borrow for one socket. After an error it has not taken the descriptor.
func (h *Held) borrow(id uint64, fd int) error {
	i, gen := slab.Split(id)
	if !slab.InUse(gen) || i >= maxBorrowed || int(i) < len(h.borrowed) && h.borrowed[i] != 0 {
		return fmt.Errorf("netpoll: the connection %x cannot be borrowed", id)
	}
	s := h.s
	if int(i) >= len(h.borrowed) {
		s.slab.Reserve(i + 1)
		h.borrowed = append(h.borrowed, make([]uint64, int(i)+1-len(h.borrowed))...)
		h.reserved = i + 1
	}
	r := s.slab.At(i)
	r.fd, r.loop = int32(fd), uint8(s.nextLoop())
	r.turn.Claim() // its events wait until Thaw
	if err := s.loops[r.loop].park(r); err != nil {
		return err
	}
	h.borrowed[i] = id
	return nil
}

// returnSocket gives back a socket that this process does not adopt.
func (h *Held) returnSocket(i int) {
	h.borrowed[i] = 0
	r := h.s.slab.At(uint32(i))
	h.s.loops[r.loop].Unpark(int(r.fd))
	unix.Close(int(r.fd))
	r.flags.Store(0)
	if r.turn.Done(false) {
		h.s.ready.Push(r) // the turn finds nothing to do
	}
}

// returnSockets gives back the sockets that were borrowed and not adopted. They are few: their connections have ended, or stay.
func (h *Held) returnSockets() {
	for i, id := range h.borrowed {
		if id != 0 {
			h.returnSocket(i)
		}
	}
	h.borrowed = nil
}
