// Package deferred calls functions later that a caller cannot call now, because it holds a lock. A turn
// of a worker calls them soon and in order, with no lock held.
//
// # Lock order
//
// Queue.mu is taken under any lock of the callers. The owner's wake function is called under it, and
// takes the locks of the ready list. The functions are called without it.
package deferred
