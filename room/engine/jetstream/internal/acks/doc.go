// Package acks publishes messages to JetStream, and tells for each how it ended.
//
// # Rules
//
//   - Publish never blocks: one goroutine writes to the connection, from a queue that has a limit.
//   - A message is written at most once. It is never repeated, by this package or by the client library.
//   - Every message ends in one of four ways: it is stored; it was stored before (its id is known); it is
//     certainly not stored (ErrUnavailable, or the server's refusal); or nobody knows (ErrUnknown).
//   - Callbacks are called one after the other, from a goroutine of the publisher, with no lock held.
//
// # Lock order
//
// Publisher.mu is innermost: nothing is locked under it.
package acks
