// Package flight is the flight recorder: it keeps, for the connections that ended last, why each of them
// ended and what happened before.
//
//	recorder.go  Recorder: the ends of the connections of this node
//	record.go    Record: one end, as operators read it
//	trace.go     the trace of a user or a room on this node
//	move.go      the records move to another process, in a live upgrade
//	collect.go   Collect: the ends that all nodes remember of a user, an address or a connection
//
// # Rules
//
//   - A record has sizes, times, codes and causes, and never the content of a message, nor a token. The
//     reason of a close is in it, as it was sent to the client or came from it.
//   - The memory is limited: maxOpened records of connections that were open, and maxNever of others, for
//     which a client needs less. If there are more, the oldest of the user or address that has most goes
//     first, so that a client that connects again and again does not make the records of others go.
//   - Records do not outlive the process, except that they move in a live upgrade. Those of connections that have stayed in the
//     old process do not.
//
// # Lock order
//
//	Recorder.mu   nothing is locked under it, but the locks of budget.Pool
//	tracing.mu    nothing is locked under it; Traced locks it under netpoll's record.mu
package flight
