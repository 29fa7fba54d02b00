package slab

import "sync/atomic"

// A Generation tells the uses of one record apart. It is odd while the record is in use. The owner
// of the record calls Begin and End in turn; any goroutine may call Load.
type Generation struct{ n atomic.Uint32 }

// Load returns the number of the current use, or an even number between two uses.
func (g *Generation) Load() uint32 { return g.n.Load() }

// Next returns the number that Begin will return.
func (g *Generation) Next() uint32 { return g.n.Load() + 1 }

// Begin begins a use and returns its number.
func (g *Generation) Begin() uint32 { return g.n.Add(1) }

// End ends the use.
func (g *Generation) End() { g.n.Add(1) }

// Continue makes the number of uses that of a Generation in another process, for which Load returned gen.
func (g *Generation) Continue(gen uint32) { g.n.Store(gen) }

// InUse reports whether a number that Load returned stands for a use.
func InUse(gen uint32) bool { return gen&1 == 1 }

// ID returns an id of one use of the record with the number i: i in the low half, the generation in
// the high one. It is never 0, and belongs to no other use until the record has had 2^31 of them.
func ID(i, gen uint32) uint64 { return uint64(gen)<<32 | uint64(i) }

// Split returns the number and the generation of an id.
func Split(id uint64) (i, gen uint32) { return uint32(id), uint32(id >> 32) }
