// Package netpoll takes WebSocket connections from the kernel to messages and back. It parks every
// connection on epoll. An idle connection costs a record of 128 bytes, and an entry in the poller
// (mailru/easygo) with its callback. It has no goroutine, no buffer and no timer. The package knows nothing of rooms, users or
// JSON.
//
// A programmer who knows Swoole's WebSocket\Server finds each of its events in [Handler] and
// [Funcs], and each of its methods on [Conn] and [Server].
//
// # The path of a message
//
//	accept ──► park ──► readable ──► decode ──► handler ──► queue ──► flush
//
// Data flows along it in one direction. These are the files of each step, and of the work beside it:
//
//	step      files                        runs on
//	accept    listen.go, accept.go,        the loop's epoll goroutine
//	          refuse.go (makeRoom)
//	park      internal/poll (Park)         the loop's epoll goroutine
//	readable  loop.go (readable)           the loop's epoll goroutine
//	turn      turn.go, loop.go (turn)      the workers, which share one ready list, and
//	                                       the loops too if Config.RunOnLoop is set
//	handshake proxy.go, http.go,           a worker that holds the turn; with TLS a
//	          request.go, upgrade.go,      goroutine while the TLS handshake lasts
//	          refuse.go, tls_handshake.go,
//	          tls_slots.go
//	          internal/httpbridge          net/http's goroutines
//	decode    read.go, input.go, event.go, a worker that holds the turn
//	          cost.go, shed.go
//	handler   handler.go, callback.go      a worker that holds the turn
//	queue     conn.go, push.go, queue.go,  any goroutine
//	          frames.go, internal/encode,
//	          internal/output
//	flush     flush.go, tls_io.go, io.go   the holder of the write bit
//	deadline  deadline.go                  a turn, which the wheel asks for; or the loop's
//	                                       goroutine, if only a heartbeat is due
//	close     close.go, finish.go,         begins anywhere, ends on the turn
//	          shutdown.go
//	remember  flight.go, stats.go          where the event happens
//	move      lend.go, borrow.go,          one goroutine; after Freeze, while all else stands still.
//	          freeze.go, export.go,        Others register adopted connections with epoll
//	          move.go, internal/moving
//	settings  config.go, settings.go       read everywhere, with one load; replaced as a whole
//
// # The order of the files
//
// A file uses only what stands before it in this list: a function that an earlier file needs moves to it, and none calls up. A
// test in cmd reads the list. Its exceptions are types of the API that name each other.
//
//	data       errors.go, record.go, server.go, request.go, handler.go, lookup.go, frames.go, config.go
//	tables     turn.go, queue.go, stats.go, conn.go
//	close      close.go (beginClose), refuse.go
//	callbacks  callback.go (every call of the handler), flight.go, input.go
//	write      io.go, tls_io.go, flush.go, push.go
//	read       cost.go, event.go, read.go
//	end        tls_slots.go, shed.go, settings.go, finish.go, deadline.go
//	handshake  upgrade.go, http.go, tls_handshake.go, proxy.go
//	run        loop.go, serve.go, accept.go, listen.go
//	whole      lend.go, freeze.go, borrow.go, move.go, export.go, shutdown.go
//
// # Packages
//
//	wstest              for tests: a WebSocket client, and waiting for a condition
//	wstest/shortwrite   for tests: makes servers write a few bytes at a time
//	internal/socket     listening sockets, accept4, and descriptors that the runtime's poller does not know
//	internal/poll       an epoll instance: registers descriptors, and gathers ready connections in batches
//	internal/rawio      read, write and writev
//	internal/addrs      counts and slots by client address
//	internal/waiting    connections that wait: slots for TLS handshakes, and the oldest that waits for its client
//	internal/refusal    reasons to refuse a connection: their answers, counts and log lines
//	internal/proxyheader  the header of the PROXY protocol
//	internal/head       heads of requests, and the answer to an upgrade
//	internal/httpbridge gives connections to net/http, and takes them back for a WebSocket or to move
//	internal/tlsmem     TLS over memory: ciphertext in and out, and the net.Conn of crypto/tls
//	internal/sched      the ready list, turns and workers: which turn runs next, and when a worker is woken
//	internal/frame      headers of frames, the decoder, permessage-deflate
//	internal/unfinished bytes of clients that are no message yet, and their count
//	internal/encode     frames of outgoing messages, and the logs of rooms
//	internal/output     queues of shared buffers, their pooled memory, and the count of the bytes that they hold
//	internal/flight     the latest events of connections, and the round trips of pings
//	internal/moving     the record of a connection, for another process
//	internal/wheel      clock, timing wheel, schedule of heartbeats: where a ping is decided (Schedule.Decide)
//	internal/pace       work that is spread over a time
//	internal/caller     which functions a goroutine runs
//	internal/timers     timers that end with the server
//	internal/slab       records, generations and tables
//	durations           counts durations
//	ratelog             logs a line now and then
//	snapshot            writes down the state of a process for the one that replaces it
//	fdpass              sends descriptors to another process
//
// The packages below internal have no state, or only their own. They know no record. One of
// them may import others, one way, and ratelog. Packages outside netpoll use durations, ratelog and
// wstest, too.
//
// The root itself is one public API over one state: the record of a connection and its tables. All
// steps share the record, and a package for one of them would need an accessor for each of its fields.
// So the root has 44 files and 6,800 lines; 800 of these move connections to another process, field by field of the
// record. A piece that needs no record belongs in a package of its own.
//
// # Turns: the read side
//
// Everything that has work (a connection, or a [Turn] of a user such as a shard of a room) is on the
// ready list at most once: idle → queued → running → again. Only the goroutine that runs a
// connection's turn touches its read side, so the read side has no lock. A turn whose budget ran out
// goes back to the list, because no edge will announce its input again. Events are hints: read(2) is
// the truth, and a stale event costs one empty read.
//
// The budget of a turn counts bytes and messages; with [Conn.Spent] one message counts as several.
// A connection is heavy if its turn ended before its input did. Its next turns wait for all
// connections that are not heavy, except one turn in 32, until a turn handles all its input
// (record.weigh). The rule: however much one client sends at once, it delays the message of another
// client by one turn at most. So a turn must be short in CPU time, a fraction of a
// millisecond. A loop runs no heavy turns, so that it looks at its sockets.
//
// Only the turn of a heartbeat needs no worker: if nothing but a heartbeat is due for a connection,
// the loop's goroutine takes its turn, a few connections at a time between two looks at its sockets.
//
// The server tells the handler's [Meter] how much input it reads and inflates for a client. The Meter
// may stop the reading for a while (then the client's end is noticed later, too), or put the
// connection into the background: such connections wait on a list of their own, and at least half of
// the workers stay free of it. So a client that makes much work for the server waits behind those that
// make little. The rule: every turn tells the Meter everything that it has read and inflated, also if
// the client broke the protocol and is closed, because it may come back at once. TLS records without data, such as key updates, count many times
// over. Before a connection is open nobody pays for them, so package tlsmem limits their bytes.
// After an expensive message a handler ends the turn with [Conn.Yield].
//
// All callbacks of a connection (open, message, full, drained, close) run on its turn: one at a
// time, in order, on changing workers. A callback that must wait calls [Conn.Later], or [Conn.Again]
// for a message that it cannot take yet, and returns. No worker waits.
//
// # The write bit
//
// Any goroutine may push. It appends a reference under the record's short lock and tries to take the
// write bit. If another goroutine has the bit, that one looks at the queue again before it releases
// the bit. A goroutine that must not miss the end of a write sets wAgain, and the holder wakes the
// turn. No record's lock is held over a system call. After a write that took nothing, fBlocked is set
// before the write is tried once more, so the edge that announces room in the socket is never lost.
//
// # Closing
//
// Every close has one [Cause]. It begins in beginClose, which marks the connection and wakes the
// turn, and ends in finish, on the turn, once the write bit is free: Del, close(2), Handler.Close,
// and the record goes back to the slab with a new generation. So no descriptor is closed under a
// writer, and there is one Close per Open. close.go has the table of the states. fOpen, under the record's lock, decides between a Close frame and an HTTP error as the
// last output.
//
// The rule: a client that takes too little is closed as [Slow]. A client gets every message in order
// until its stream ends.
//
// # The cost of a handshake
//
// A client that connects costs four system calls: accept4, epoll_ctl, read, and the write that takes
// the answer to its socket. A client that resets costs read, epoll_ctl and close. That is some 20 of
// the 25 µs of CPU that both take together, and a bare loop of these calls takes as much. So socket
// options come from the listener, the answer is written into the worker's memory, and the only
// allocation that stays is the callback at the poller. Frames that Open pushes leave with the answer.
// In a storm on one machine the client takes half of the CPU.
//
// # Full servers
//
// A full server ends a connection that only waits for its client (makeRoom): an HTTP connection
// that is idle or stalled, the oldest unfinished handshake, and the oldest of the connections that are
// being refused. So loopback and proxies, which have no limit, do not keep such slots for ever. Each
// reason to refuse leaves a log line now and then, with the setting that decides it.
//
// # Shutting down
//
// While a shutdown drains, everything except opening goes on. Listeners accept, so that a client that
// comes gets 503 and the time to come again. Timers, deadlines and heartbeats run. Before the server
// closes a connection, its handler pushes the output that it has gathered for it ([Settler]). The
// listeners are closed when the last client is gone, and the timers end after that.
//
// # Ownership
//
// The record of a connection (record.go) holds no pointer and never moves. State that only few
// connections have at a time lies in tables: the unfinished input, owned by the turn; the unsent
// output, under the record's lock; and the extra: user data, TLS, the reason of a close.
//
// # Words
//
//	word             meaning
//	loop             an epoll instance with its goroutine and its wheel
//	batch            the connections that the events of one epoll_wait have made ready
//	park             register a connection with epoll, once, edge-triggered
//	turn             the right to run a connection's read side, or a user's Turn
//	ready list       the turns that wait for a worker, in three classes: front, heavy, background
//	heavy            its turn has ended before its input; see Conn.Spent
//	background       put behind all others by a Meter
//	cost             the bytes of a client that were read and inflated, and its control frames
//	charge, spend    tell the Meter a cost, and get the treatment of the connection from it
//	treatment        the decision of a Meter: how long a connection rests, and where its turns wait
//	event            a report of epoll about a descriptor; a frame.Event is a whole message or control frame
//	worker           a goroutine that takes turns; it lends its buffers to the turn
//	input            bytes of a client that are no message yet; unfinished input of all is limited
//	output, queue    bytes for a client that its socket has not taken
//	lag              the bytes of it that the socket has refused
//	segment          pooled memory of frames; several queues may refer to it
//	variant          one of the encodings of a frame: plain, compressed, compressed small
//	write bit        the right to write to a socket
//	cork             hold the output back until the end of the turn
//	pending pong     the answer to the latest ping, while the socket takes nothing
//	watermark        the length of a queue at which the handler is told: HighWater, LowWater
//	heartbeat        a WebSocket ping, or an application's message in its place
//	tick             the step of the clock and the wheel, 100 ms or less
//	HTTP connection  a connection while net/http has it
//	abort            close at once, without sending the rest of the output
//	flight           what is remembered of a connection: its latest events, and two figures
//	re-upgrade       an upgrade on an HTTP connection, which goes back to the loop
//	slot             one of a limited number of something, such as TLS handshakes
//	refuse           answer a connection that is not open with an HTTP error
//	settle           the handler pushes the output that it has gathered, before the server closes; see Settler
//	shed             close connections to free input, or output
//	extra            state that only few records have
//	hold, freeze     stop the input of a server; stop everything: see Held
//	export, adopt    give a connection to another process; take it over
//
// # Lock order
//
//	Server.mu     →  listener.mu
//	listener.mu   →  record.mu, httpbridge's, tlsmem's, easygo's, the leaves
//	Server.mu     →  waiting.Slots, easygo's, net/http's, the leaves
//	record.mu     →  tlsmem's, the leaves, the lock of a Tracer
//	waiting.Slots →  tlsmem's, addrs.Table's
//	tlsmem's      →  sched's
//	httpbridge's  →  addrs.Table's
//	leaves, under which nothing is locked: the locks of packages slab, wheel, addrs, refusal,
//	timers, encode, sched and flight, and of waiting.Queue
//
// No system call that reads or writes a connection is made under a lock. Calls that make and end
// descriptors are made under locks, and none of them waits: accept4, epoll_ctl, and the close of a
// connection that cannot be served, under listener.mu, which only accept and the functions that
// pause, resume and end a listener take; epoll_ctl under Server.mu in Listen; timerfd_settime under
// the wheel's lock.
//
// No lock is held while a callback runs, except a [Tracer]'s, so it may call every exported method. The Logger's handler
// is not a callback: it must not call back.
package netpoll
