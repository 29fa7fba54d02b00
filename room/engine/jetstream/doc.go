// Package jetstream is the engine on NATS JetStream: what it stores outlives the process, and several
// nodes share it. The NATS server is either inside the process (package embedded) or a cluster outside.
//
//	engine.go   Engine: opening, the connection, rooms on this node
//	class.go    retention classes: one stream for all rooms that keep their publications equally long
//	publish.go  sending a message to the store; keys
//	topic.go    a room with members on this node: every publication once, in order
//	read.go     histories: recent publications, and pages of older ones
//	scan.go     reading the log, forwards and backwards
//	control.go  the other nodes: control messages, members and counts
//	state.go    the State: see package internal/state
//	erase.go    sealing what users say, and erasing users
//	cut.go      removing the history of a room
//	redact.go   removing the content of publications
//	notice.go   notices, which are not stored
//	commit.go   waiting until a publication is on the disk
//	codec.go    stored messages ↔ publications
//	flights.go  many callers wait for one job
//
// # The path of a message
//
//	Publish ──► queue ──► stream ──► sent to every node with members ──► topic ──► subscribers
//	                        └──► answer ──► done
//
// The server sends each stored message to the nodes that have asked for its room, at most once. Also
// the node of the publisher gets it only that way, so the order is the same for everybody. Each message
// names the offset of the one before it. A topic to which this does not fit reads what is missing from the
// log, and delivers nothing later before that.
//
// # Rules
//
//   - Methods never block: what has to wait for the server runs as a job (package jobs). Callbacks come
//     from jobs, from the goroutine that reads answers, or before the method returns.
//   - A message is sent at most once. Nothing repeats it: neither this package, nor the client library.
//   - Offsets are the sequences of the stream. The epoch of a room begins with the incarnation of its
//     stream, which webim writes into the stream's metadata.
//   - A node asks only for rooms that have members here, and reads only what somebody wants to see.
//   - Nothing in the store depends on which node wrote it.
//   - While the server cannot be reached, every call that needs it fails at once with
//     engine.ErrUnavailable. Afterwards the topics look for what they have missed, a few at a time.
//
// # Vocabulary
//
//	class        the rooms whose publications are kept for the same time; their log is one stream
//	incarnation  a random name that a stream gets when it is made: the first part of an epoch
//	topic        a room with subscribers on this node
//	tip          the last publication of a room that a node has delivered
//	Back, Depth  a publication some steps before a stored one, and how many steps: see scan.go
//	recent       the newest publications of a room, in memory
//	fill         read the recent publications of a room from the log
//	page         a part of the log that is older than the recent publications
//	scan         a reading of the log
//	cut          the offset up to which the history of a room was removed
//	stub         what is left of a redacted publication: an entry of the State
//	tombstone    an entry of the State that says that a user was erased
//	id           what the store remembers of a message with a Key, for Config.KeyWindow
//
// # Lock order
//
// A mutex on the left may be held while a mutex on the right is locked.
//
//	Engine.openMu  →  Engine.mu  →  topic.mu  →  the subscriber's locks
//	topic.mu  →  the mutexes of packages acks, jobs and seal
//	the mutexes of package state  →  cuts.mu, the mutexes of packages jobs and seal, and the watchers' locks
//
// ids.mu, cuts.mu and flights.mu are innermost, except that ids.mu is held while a budget.Pool is asked.
// class.emptyMu is held while the server is asked, and nothing is locked under it. topic.mu is held while
// subscribers are called, so that their calls are in order. Package state is not called with it. No lock is
// held while done callbacks are called.
package jetstream
