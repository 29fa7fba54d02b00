// Package waiting keeps connections that wait, and says which of them is served next, and which one may
// end for another.
//
//	file      contents
//	slots.go  Slots: the slots for TLS handshakes, shared by address
//	turns.go  the addresses and handshakes of Slots, in their order
//	queue.go  Queue: connections that wait for their clients, in the order of their arrival
//
// The package ends and wakes nothing: it returns the connections, and the caller does so.
//
// # Words
//
//	word    meaning
//	slot    the right of a TLS handshake to a goroutine
//	place   the slot of a handshake, or its place in the list of those that wait for one
//	share   the quarter of the slots that one address may have
//	ending  chosen to end for another connection, and not ended yet
//
// # Lock order
//
//	Slots.mu  →  package addrs's, and those that Slots.Silent takes
//	Queue.mu  →  nothing
package waiting
