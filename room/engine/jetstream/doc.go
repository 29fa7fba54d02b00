// Package jetstream is the engine on NATS JetStream: its store outlives the process, and several
// nodes share it. The NATS server is either inside the process (package embedded) or a cluster outside.
//
// # The order of the files
//
// A file uses only what stands before it in this list; a test in cmd reads it, and has the two exceptions.
//
//	class.go      a retention class: one stream for all rooms that keep their publications equally long
//	engine.go     Config and Engine
//	topic.go      a room with members on this node: every publication once, in order
//	table.go      the topics of this node
//	down.go       a store that cannot be used
//	classes.go    the classes: which one a room has, and opening its stream
//	state.go      the State: see package internal/state
//	reclass.go    rooms that change their class
//
//	deliver.go    a topic gives its subscribers what is new
//	catchup.go    a topic notices missed publications, and reads them from the log
//	opening.go    a topic begins, and its readers wait until it has what this node has published
//	subscribe.go  the first subscriber makes a topic, the last one ends it
//	notice.go     notices, which are not stored
//	dispatch.go   from the server to the topics
//	sweep.go      the topics are compared with the log
//	control.go    the other nodes: control messages, members and counts
//
//	unused.go     keys of users that are being removed: no text loses its key
//	collect.go    removing keys of users that no text needs any more
//	redact.go     removing the content of publications
//	wipe.go       overwriting removed messages, also if another node has ended before
//	cut.go        removing the history of a room
//	removals.go   the removals, for a restore
//	fill.go       the recent publications of a topic, and reading them from the log
//	read.go       histories: recent publications, and pages of older ones
//	erase.go      erasing users
//
//	back.go       the store is opened again, also after it has lost acknowledged messages
//	conn.go       the connection to the server
//	shares.go     how much each payer may send
//	repeated.go   messages that were published before
//	publish.go    sending a message to the store
//	known.go      asking whether a message was published
//	transfer.go   exports and imports
//	move.go       the node moves to another process
//	open.go       opening and closing an Engine
//
// So the package has 35 files and 4,400 lines: each is one job of the Engine with its connection, its classes and its topics. The
// packages below have what needs no Engine. The most important ones: codec (stored messages ↔ publications), roomlog
// (reading the log of a room), recent (its newest publications in memory), cuts and stubs (what was removed), streams, acks
// and logread (the server), and cluster (the other nodes).
//
// # The path of a message
//
//	Publish ──► queue ──► stream ──► sent to every node with members ──► topic ──► subscribers
//	                        └──► answer ──► done
//
// The server sends each stored message to the nodes that have asked for its room, at most once. Also
// the node of the publisher gets it only that way, so the order is the same for everybody. Each message
// names the offset of the one before it. A topic to which this does not fit reads the missing ones from the
// log, and delivers nothing later before that.
//
// # Rules
//
//   - Methods never block: waiting for the server is the work of a job (package jobs). Callbacks come
//     from jobs, from the goroutine that reads answers, or before the method returns.
//   - A message is sent at most once. Nothing repeats it: neither this package, nor the client library.
//   - Offsets are the sequences of the stream. The epoch of a room begins with the incarnation of its
//     stream, which webim writes into the stream's metadata.
//   - A node asks only for rooms that have members here, and reads only for a member or a caller.
//   - Nothing in the store depends on which node wrote it.
//   - An urgent change of the State (engine.Key.IsUrgent) is also told to the other nodes, through package cluster.
//   - The State waits for no other stream and for no job: a goroutine of its own keeps the copy current, and asks the leader
//     of the stream how far it has to be. So a node knows when its copy may be old: then it admits nobody.
//   - While the node moves to another process, calls that change something wait, and nobody is called (move.go).
//   - While the server cannot be reached, every call that needs it fails at once with
//     engine.ErrUnavailable. Afterwards the topics look for missed publications, a few at a time.
//
// # Vocabulary
//
//	class        the rooms whose publications are kept for the same time; their log is one stream
//	incarnation  a random name that a stream gets when it is made: the first part of an epoch
//	topic        a room with subscribers on this node
//	tip          the last publication of a room that a node has delivered
//	Back, Depth  a publication some steps before a stored one, and how many steps: see package roomlog
//	recent       the newest publications of a room, in memory
//	fill         read the recent publications of a room from the log
//	page         a part of the log that is older than the recent publications
//	scan         a reading of the log
//	sweep        a comparison of all topics of this node with the log
//	cut          the offset up to which the history of a room was removed
//	stub         the rest of a redacted publication: an entry of the State
//	id           the store's memory of a message with a Key, for Config.KeyWindow
//
// # The stored format
//
// It has one version for the folder (package embedded) and one for each stream (package streams). A newer
// version is refused, an older one migrated when it is opened: package format. testdata has a store of each
// version, which TestGolden opens. A change of the stored bytes raises the version, and brings the step that
// migrates and a new folder; the messages of a log cannot be changed, so their bytes have a version, too
// (package envelope).
//
// # Lock order
//
// A mutex on the left may be held while a mutex on the right is locked.
//
//	moving.mu  →  all others
//	class.openMu  →  Engine.mu, table.mu, topic.mu
//	Engine.stateMu  →  the mutexes of package state
//	table.mu  →  topic.mu  →  the subscriber's locks
//	table.mu  →  the mutexes of packages cluster and jobs
//	topic.mu  →  the mutexes of packages acks, cuts, jobs, retire, seal and streams
//	the mutexes of package state  →  the mutexes of packages cuts, jobs, retire, seal and wiping, and the watchers' locks
//
// moving.mu is held while the node moves.
// class.emptyMu is held while the server is asked, and nothing is locked under it. topic.mu is held while
// subscribers are called, so that their calls are in order. Package state is not called with it. No lock is
// held while done callbacks are called.
package jetstream
