// Package acks publishes messages to JetStream, and tells for each how it ended.
//
// # Rules
//
//   - Publish never blocks: one goroutine writes to the connection, from a queue that has a limit.
//   - A message is written at most once. It is never repeated, by this package or by the client library.
//   - Every message ends in one of four ways: it is stored; it was stored before (its id is known); it is
//     certainly not stored (ErrUnavailable, or the server's refusal); or nobody knows (ErrUnknown).
//   - Callbacks come from the goroutine that reads answers, from the one that writes, or from the callers of
//     Lost and Close, with no lock held.
//   - Publish and Send lock nothing of the client library: its locks are held while it writes to the connection,
//     which may take as long as the server wants. A message that waits too long for that ends, unsent.
//
// # Lock order
//
// Publisher.mu is innermost: nothing is locked under it.
package acks
