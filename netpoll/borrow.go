package netpoll

import (
	"encoding/binary"
	"fmt"

	"webim/netpoll/internal/slab"

	"golang.org/x/sys/unix"
)

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
