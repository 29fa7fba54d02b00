// Package logread reads messages of a JetStream stream: by subject and sequence.
//
// # Rules
//
//   - Calls block, so only goroutines that may wait make them.
//   - At most Config.Parallel requests are under way at a time, because the server drops all requests
//     that wait when they are too many.
//   - Any server of a cluster that has the stream answers a Reader, also one that is behind: it has the beginning of the
//     stream. Only the leader answers a Leader.
//   - A request asks for one message, except those of Newest. A request for a batch makes the server count
//     the pending messages, which takes a hundred times as long as finding the next message.
//
// # Lock order
//
// Reader.mu is innermost: nothing is locked under it, and the server is not asked. A call that makes a proof has the turn of
// its stream meanwhile.
package logread
