package netpoll

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/slab"

	"golang.org/x/sys/unix"
)

// A live upgrade moves the connections of a server to a server in another process. Both stand still meanwhile:
//
//	old process                       new process
//	Lend     sockets, see there       Borrow
//	Hold     no input is read         Hold     Listen binds, and accepts nothing
//	Freeze   nothing is written       Freeze
//	State, Export         ──────►     Restore, Adopt, Adopted
//	Commit                ──────►     Thaw: it serves
//	Release  the descriptors close
//
// Thaw in place of Commit takes everything back. A connection that cannot move stays: one over TLS, one that net/http
// has or that is being refused, and one that its handler keeps.
//
// The old process keeps the connections in its epoll until Release: the kernel then takes each from there before its
// descriptor closes, and if the process dies, its epoll ends with it. So nobody waits for that while both stand still, and Thaw
// has missed no event.
//
// The ready list makes the turns wait (sched.List.HoldAll). Then Held takes the turn and the write bit of each
// connection. So a push finds the bit taken and queues, as always, and nothing costs more while a server is not held.

// Errors of a server that is held.
var (
	// ErrHeld: the server is held already.
	ErrHeld = errors.New("netpoll: the server is held already")
	// ErrChanged: a goroutine of the handler has pushed to a connection or closed it after Export.
	ErrChanged = errors.New("netpoll: a connection has changed after it was exported")
)

// Held is a server that stands still. One goroutine uses it.
type Held struct {
	s         *Server
	conns     []heldConn
	stayed    int           // open connections that Export has left
	listeners []int         // of the process that exports, as listeners of this one
	reserved  uint32        // records that Restore has taken
	reader    moving.Reader // of Adopt
	conn      moving.Conn   // memory of Export
	data      []byte        // the same
	borrowed  []uint64      // ids of the connections whose sockets the other process has lent, by number of the record
	parking   sync.WaitGroup
	resume    []func()              // of the loops that are paused, because sockets are registered
	failed    atomic.Pointer[error] // the first error of parking
}

// heldConn is a connection whose write bit Held has.
type heldConn struct {
	r      *record
	turn   bool       // Held has the turn; otherwise the ready list holds it
	moves  bool       // it was exported, or adopted
	parked bool       // its socket was borrowed
	before outputMark // when it was exported
}

// outputMark changes with each push and each close of a frozen connection.
type outputMark struct {
	w    uint8 // without wAgain
	size int
	out  uint64
}

func (s *Server) markLocked(r *record) outputMark {
	return outputMark{r.w &^ wAgain, s.heldLocked(r), r.messagesOut}
}

// Hold stops the input of a server: no turn of a connection runs, timers wait, listeners accept nothing, and requests for
// net/http wait. User turns run, and pushes are written. Hold waits for the callbacks that run, until ctx ends. A
// server that has not begun to listen can be held, too; its listeners then wait for Thaw.
//
// Callbacks of connections, Turns and timers must not call Hold. While a server is held, Shutdown and Close wait.
func (s *Server) Hold(ctx context.Context) (*Held, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.held {
		s.mu.Unlock()
		return nil, ErrHeld
	}
	s.held = true
	s.mu.Unlock()
	h := &Held{s: s}
	for _, ln := range s.listeners() {
		s.unwatch(ln)
		ln.http.Hold()
	}
	err := s.timers.Hold(ctx)
	if err == nil {
		err = s.ready.HoldItems(ctx)
	}
	if err != nil {
		h.thawAll() // a loan goes on: see Lend
		return nil, fmt.Errorf("netpoll: a callback runs too long: %w", err)
	}
	return h, nil
}

// Freeze stops everything else: no Turn runs, nothing is written, and no request comes back from net/http. After an error the caller calls Thaw.
func (h *Held) Freeze(ctx context.Context) error {
	if err := h.s.ready.HoldAll(ctx); err != nil {
		return fmt.Errorf("netpoll: a turn runs too long: %w", err)
	}
	for _, ln := range h.s.listeners() {
		if err := ln.http.Freeze(ctx); err != nil {
			return fmt.Errorf("netpoll: a request does not come back from net/http: %w", err)
		}
	}
	h.conns = make([]heldConn, 0, h.s.open.Load())
	for c := range h.s.all() {
		for !h.freeze(c.r) { // a heartbeat leaves, or a goroutine of the handler writes
			if ctx.Err() != nil {
				return fmt.Errorf("netpoll: a write takes too long: %w", ctx.Err())
			}
			time.Sleep(10 * time.Microsecond)
		}
	}
	return nil
}

// freeze takes the turn and the write bit of a connection. It returns false if somebody has one of them.
func (h *Held) freeze(r *record) bool {
	taken, ok := r.turn.Claim()
	if !ok {
		return false
	}
	r.mu.Lock()
	free := r.w&wBit == 0
	r.w |= wBit
	r.mu.Unlock()
	if free {
		h.conns = append(h.conns, heldConn{r: r, turn: taken})
	} else if taken && r.turn.Done(false) {
		h.s.ready.Push(r)
	}
	return free
}

// Thaw lets the server go on, with all connections that it has exported or adopted.
func (h *Held) Thaw() {
	h.thawAll()
	h.s.TakeBack()
}

func (h *Held) thawAll() {
	h.giveBack()
	for _, ln := range h.s.listeners() {
		ln.http.Release() // before a turn brings a request
		if err := h.s.watch(ln); err != nil {
			h.s.cfg().Logger.Error("netpoll: listener lost", "err", err)
		}
	}
	for i := range h.conns {
		h.thaw(&h.conns[i])
	}
	h.end()
}

// thaw gives back the turn and the write bit of a connection.
func (h *Held) thaw(c *heldConn) {
	s, r := h.s, c.r
	r.mu.Lock()
	again := r.w&wAgain != 0 || r.output != 0
	r.w &^= wBit | wAgain
	r.mu.Unlock()
	if again {
		r.flags.Or(fWritable)
		s.wake(r)
	}
	if c.turn && r.turn.Done(false) {
		s.ready.Push(r)
	}
}

// giveBack leaves only what is adopted.
func (h *Held) giveBack() {
	h.parking.Wait()
	h.returnSockets()
	h.freeReserved()
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

// freeReserved frees the records that Restore has taken and Adopt has not used.
func (h *Held) freeReserved() {
	for i := h.reserved; i > 0; i-- {
		if r := h.s.slab.At(i - 1); !slab.InUse(r.gen.Load()) {
			h.s.slab.Put(r.index)
		}
	}
	h.reserved = 0
}

// pauseLoops pauses the loops until the end, unless they are paused.
func (h *Held) pauseLoops() {
	for _, l := range h.s.loops[len(h.resume):] {
		h.resume = append(h.resume, l.Pause())
	}
}

// end lets turns and timers go on.
func (h *Held) end() {
	for _, resume := range h.resume {
		resume()
	}
	h.resume = nil
	h.s.ready.Release()
	h.s.timers.Release()
	h.s.mu.Lock()
	h.s.held = false
	h.s.mu.Unlock()
}
