// Package notices decides when a room tells its members who joined and left: at once, later, or never.
//
//	queue.go   a room that spends too much on notices gathers them
//	delays.go  a leave waits, because the client may come back
//	move.go    notices go on waiting in another process, in a live upgrade
//
// # Rules
//
//   - A join is told once, its leave once and after it; or neither is told.
//   - The notices of a room cost no more than [Rate]. Beyond that they wait, in their order.
//   - A list that begins with a presence and follows the notices is correct in the end.
//
// # Vocabulary
//
//	notice        tells listening members that a client joined or left
//	listener      a member that gets notices
//	unshown       a waiting join of a client that no presence has shown
//	leave delay   the time for which a leave is not told
//
// # Lock order
//
// Delays.mu is taken under the locks of a room and of a session. Under it the callbacks post and at of
// Delays are called, which take the locks of packages deferred and timers. A Queue has no mutex: its room
// guards it.
package notices
