// Package wheel tells when the deadlines of very many connections have come: a clock that counts
// ticks, a hashed timing wheel, the timerfd that turns it, and the schedule of heartbeats.
//
//	file         contents
//	clock.go     Clock: ticks since the start, read with one load
//	wheel.go     Wheel: one deadline for each connection, in a list of each tick
//	timerfd.go   the timer that wakes the goroutine of the wheel
//	schedule.go  Schedule: when a heartbeat is sent, and when its answer is late
//
// A deadline costs no goroutine, no timer and no pointer: its [Link] lies in the record of the
// connection. Traffic does not touch the wheel. If the connection was busy, its entry is found to be
// early when its tick comes, and is put back for later.
//
// # Words
//
//	word        meaning
//	tick        the step of a Clock, 100 ms or less; all times here are ticks in 32 bits
//	due         the tick of a deadline
//	timerfd     the kernel's timer (timerfd_create(2)), a descriptor that epoll watches
//	idle tick   each tenth tick: a wheel with nothing due sleeps until the next one
//	heartbeat   a WebSocket ping, or a message of an application in its place
//	grain       the step of ticks at which heartbeats are sent
//	aligned     rounded down to a multiple of the grain
//	ping group  64 records side by side, which are pinged at the same tick
//	phase       the place of a ping group in the interval
//
// # Lock order
//
//	Wheel.mu  nothing is locked under it; Owner.Link and Owner.Settle are called under it, and must
//	          not lock anything. timerfd_settime is called under it; it does not wait.
package wheel
