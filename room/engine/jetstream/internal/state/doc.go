// Package state stores the State of package engine in one JetStream stream, and keeps a copy of it in
// memory, from which it answers all reads.
//
// # The order of the files
//
// A file uses only what stands before it in this list: a test in cmd reads it.
//
//	record.go   keys ↔ subjects, entries ↔ bytes
//	pending.go  writes that are not done: first the server answers them, then they wait for the copy
//	store.go    Store: its data, and how the copy is read and changed
//	ahead.go    changes of urgent entries that come before the stream brings them
//	proof.go    until when the copy had everything
//	feed.go     loading the copy, and following the stream
//	write.go    writing
//	open.go     making, freezing and closing a Store, and what it does every second
//
// # How entries are stored
//
// The stream has one message for each entry; its subject is the key, and its sequence is the version.
// The server compares the version when it stores the next one. A removal is a message without an entry,
// the marker, which the server removes after a while.
//
// # Rules
//
//   - The stream changes the copy: a write is done when the stream has brought it back. So each entry
//     changes in one order on all nodes. An urgent entry also changes when a message says that it was written: see ahead.go.
//   - One consumer feeds the copy. If something may be missing, because the connection was lost or the
//     consumer has skipped a message, the whole stream is read again, and entries that are not there any
//     more are removed. So a node that was away misses no removal, however old it is. Reads go on from
//     the copy.
//   - A write is sent at most once. Only a refused one is sent again: when the server refuses to make an
//     entry because of a marker, the write names the marker.
//   - Writes with engine.AnyVersion of one key do not queue up: while one is under way, the last of those
//     that come waits for it and takes the place of the others.
//   - A node checks the limit against its copy. Writes that are under way may exceed it, on each node by the
//     limits of package acks.
//
// # Lock order
//
// A mutex on the left may be held while a mutex on the right is locked.
//
//	Store.loading  →  Store.mu  →  the watchers' locks
//	Store.calling  →  Store.mu
//
// Store.calling is read-locked while callbacks of the feed are called. No other lock is held while done callbacks are called, or
// while package acks is.
package state
