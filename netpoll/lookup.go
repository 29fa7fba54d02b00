package netpoll

import (
	"iter"

	"webim/netpoll/internal/slab"
)

// all walks the connections, in handshakes too.
func (s *Server) all() iter.Seq[Conn] {
	return func(yield func(Conn) bool) {
		for i := range s.slab.Len() {
			r := s.slab.At(i)
			if gen := r.gen.Load(); slab.InUse(gen) && !yield(Conn{s, r, gen}) {
				return
			}
		}
	}
}

// Conns walks the open connections, in no order. One that opens or closes
// meanwhile may or may not be seen. Swoole's connections.
func (s *Server) Conns() iter.Seq[Conn] {
	return func(yield func(Conn) bool) {
		for c := range s.all() {
			if c.Exists() && !yield(c) {
				return
			}
		}
	}
}

// Conn returns the connection with an id; ok is false if there is none. It may
// be in its handshake still, which Exists tells: then pushing returns
// ErrNotOpen, and Close breaks the handshake off.
func (s *Server) Conn(id ID) (c Conn, ok bool) {
	r, gen := s.record(id)
	if r == nil {
		return Conn{}, false
	}
	return Conn{s, r, gen}, true
}

// record finds a record by id; nil if the connection is gone.
func (s *Server) record(id ID) (*record, uint32) {
	index, gen := slab.Split(uint64(id))
	if !slab.InUse(gen) || index >= s.slab.Len() {
		return nil, 0
	}
	r := s.slab.At(index)
	if r.gen.Load() != gen {
		return nil, 0
	}
	return r, gen
}

func (s *Server) conn(r *record) Conn { return Conn{s, r, r.gen.Load()} }

func (s *Server) handlerOf(r *record) Handler { return s.listeners()[r.listener].Handler }

func (s *Server) listeners() []*listener {
	if p := s.lns.Load(); p != nil {
		return *p
	}
	return nil
}

// cfg returns the settings in force.
func (s *Server) cfg() *settings { return s.settings.Load() }

// Config returns the settings in force, defaults filled in.
func (s *Server) Config() Config { return s.cfg().Config }

// ID returns the connection's id; 0 for the zero Conn.
func (c Conn) ID() ID {
	if c.r == nil {
		return 0
	}
	return ID(slab.ID(c.r.index, c.gen))
}

// Server returns the server that the connection belongs to.
func (c Conn) Server() *Server { return c.s }

// lock locks the record if it is still this connection's.
func (c Conn) lock() bool {
	if c.r == nil {
		return false
	}
	c.r.mu.Lock()
	if c.r.gen.Load() != c.gen {
		c.r.mu.Unlock()
		return false
	}
	return true
}

// Exists reports whether the connection is open and not closing: Swoole's exist and isEstablished.
// The connection may end right after the call.
func (c Conn) Exists() bool {
	return c.s != nil && c.r.gen.Load() == c.gen && c.r.flags.Load()&(fOpen|fClosing) == fOpen
}

// extraLocked returns the connection's extra. It makes one if there is none.
func (s *Server) extraLocked(r *record) *extra {
	if x := s.extras.At(r.extra); x != nil {
		return x
	}
	x := new(extra)
	r.extra = s.extras.Put(x)
	return x
}
