// Package relay is a TCP proxy between two programs that can be told to misbehave: to stall one direction or both, to cut
// all connections, and to drop messages of the NATS protocol. So a partition needs neither root nor a firewall.
//
//	relay.go   Relay: accepting, dialing, copying, faults
//	nats.go    cutting the stream of a NATS server into messages, and dropping some
//
// # Faults
//
//	stalled   bytes of a direction are read no further, as if the network lost every packet: TCP would repeat them, so they
//	          arrive when the stall ends
//	cut       connections are reset, and new ones are refused, until the relay is mended
//	dropped   a message that the server sends is left out
//
// A new connection through a stalled relay is accepted, and gets no answer. Over a real network, it would not even be
// accepted; both look alike to a program that waits for an answer.
//
// # Vocabulary
//
//	client    the program that connects to the relay
//	target    the program to which the relay connects
//	Up, Down  the direction from the client to the target, and back
//
// # Lock order
//
// Relay.mu is a leaf: no lock is taken under it. The function of Drop is called under it. Of system calls, only closing
// a socket is made under it.
package relay
