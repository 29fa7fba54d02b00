// Package embedded runs a NATS server with JetStream inside this process, on one folder. It opens no
// port unless it is told to, and it knows nothing of rooms.
//
// # The folder
//
//	webim.lock   locked (flock) by the process that uses the folder; its content is the pid
//	webim.sock   leads to the nats-server: commands work on the store by it (socket.go)
//	webim.json   the record: the version of the format, and how the last use has ended (record.go)
//	jetstream/   the store of nats-server
//
// nats-server does not lock its store, and two servers destroy it. So a second process gets an error.
//
// # Which messages survive
//
// nats-server writes a message to its file before it acknowledges it. So acknowledged messages survive
// kill -9 of the process. They survive the end of the machine, such as a power cut, once they are synced
// to the disk:
//
//   - With Config.Interval, nats-server syncs its files once in that time. A power cut can lose the
//     messages that were acknowledged since then.
//   - With Config.Always, callers wait for Server.Commit before they acknowledge anything. nats-server's own
//     sync_always makes one fsync for each message, so a disk with an fsync of 1 ms would allow 1,000
//     messages a second. Commit makes one fdatasync for all callers that wait (commit.go).
//
// nats-server syncs the settings of a stream neither with Config.Interval nor for Commit. For that, there is
// Server.SyncStream (sync.go).
//
// After the machine has ended without Close, the newest messages can be missing, and JetStream gives
// their sequences to other messages. Unclean reports that. The same holds for a store that was restored from a
// backup, so a copy of the folder must not have the record.
//
// # After a kill
//
// nats-server makes the index of a stream anew if it was not stopped. With millions of messages that takes
// seconds, so webim makes the index faster, before nats-server starts: see package reindex. It does so only
// if the machine has not ended since.
//
// # Another process takes over
//
// In a live upgrade, the folder moves to another process without an end of the lock: Server.Suspend stops the nats-server in
// order, the other process gets a copy of the lock's descriptor, and starts a Server with it (Config.Lock). If that process
// fails, Server.Resume goes on here (move.go).
//
// # When the disk is full
//
// After an error of a write, nats-server refuses writes to the stream for good, or stops JetStream. A
// supervisor (supervise.go) learns that from nats-server's log, reports it by Err, and waits until there is space
// again. Meanwhile clients can still read, unless JetStream has stopped. Then the supervisor replaces the
// nats-server inside the same process, and clients connect again by themselves.
//
// # Goroutines
//
// Each Server has the goroutines of nats-server, the supervisor, that of the socket and two for each of its
// connections, and with Config.Always the committer. All of them have ended when Close returns.
//
// # Rules
//
//   - Package embedded imports only packages ratelog, format and reindex.
//   - A file that webim opens here is closed on exec. Lock returns the one that another process may
//     inherit.
//
// # Lock order
//
// Server.mu guards the nats-server and its error. committer.mu guards the list of waiting callers.
// recordFile.mu guards the record, and is held while its file is written. socket.mu guards the list of its
// connections. All four are innermost: nothing is locked under them, and no callback is called.
package embedded
