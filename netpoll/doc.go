// Package netpoll takes WebSocket connections from the kernel to messages and
// back. It parks every connection on epoll; an idle one costs a record of 128
// bytes, an entry in easygo's map and its callback: no goroutine, no buffer,
// no timer. It knows nothing of rooms, users or JSON.
//
// Who knows Swoole's WebSocket\Server finds each of its events in [Handler]
// and [Funcs] and each of its methods on [Conn] and [Server].
//
// # The line
//
//	accept ──► park ──► readable ──► decode ──► handler ──► queue ──► flush
//
// Data goes one way along it, and each step is a file:
//
//	step      file                      runs on
//	accept    listen.go, accept.go,     the loop's epoll goroutine
//	          addrs.go
//	park      poller.go                 the loop's epoll goroutine
//	readable  poller.go (readable)      the loop's epoll goroutine
//	turn      turn.go, pool.go,         the workers share one ready list, with
//	          worker.go, ring.go,       the loops if Config.RunOnLoop is set
//	          record.go
//	handshake http.go, request.go,      a worker that holds the turn;
//	          upgrade.go, negotiate.go, in handshake.go (TLS) a goroutine
//	          refuse.go, handshake.go,  while the handshake lasts
//	          tls.go
//	          bridge.go, lent.go        net/http's goroutines
//	          makeroom.go,              as accept, when the server is full
//	          refusallog.go             whoever refuses
//	decode    read.go, deflate.go,      a worker that holds the turn
//	          unfinished.go, cost.go
//	handler   handler.go                a worker that holds the turn
//	queue     conn.go, queue.go,        any goroutine
//	          encode.go, log.go,
//	          evict.go
//	flush     flush.go, cipher.go       whoever holds the write bit
//	deadline  deadline.go, heartbeat.go judged on the turn, which the wheel
//	                                    queues; or on the loop's goroutine, if
//	                                    only a ping is due
//	close     close.go, shutdown.go     begun anywhere, ended on the turn
//
// # Turns: the read side
//
// Whatever has work (a connection, a [Turn] of a user such as a shard of a
// room) is on the ready list at most once: idle → queued → running →
// running-again. Only the worker that runs a connection's turn touches its
// read side, so the read side has no lock. A turn whose budget ran out goes
// back to the list, because no edge will tell of it again. Events are
// hints: read(2) is the truth, and a stale event costs one empty read.
//
// A budget is bytes and messages, and a handler says which message counts as many
// ([Conn.Spent]). A connection whose turn has ended before its input is heavy: its next
// turns wait for all connections that are not, but for one turn in 32, until a turn
// handles all that has come (Server.weigh). The rule: what a client sends at once makes
// the message of another client wait for one turn of it at most. So a turn must be short
// in CPU time, a fraction of a millisecond, and a loop runs no heavy turns: it looks at
// its sockets.
//
// The one turn without a worker is a ping's: the loop's goroutine takes the turns
// of those that have none and are due only that, a few at a time between two
// looks at its sockets.
//
// What a client makes the server read and inflate is told to the handler's [Meter],
// which may let the connection rest: it is not read for a while. A connection in the
// background waits on a list of its own, and half of the workers at least stay free
// of that list. So whoever makes work for the server waits behind those that do not.
// The rule: every turn tells the Meter all that it has read and inflated, also if the
// client broke a rule of the protocol and is closed: it may come back at once. TLS that
// brings no data, such as key updates, is told many times over; before a connection is
// open, where nobody pays for it, it is bounded (tlsState.spoke).
// A handler that knows that a message was expensive ends the turn with [Conn.Yield].
//
// All callbacks of a connection (open, message, full, drained, close) run on
// its turn: one at a time, in order, on changing workers. A callback that
// must wait calls [Conn.Later], or [Conn.Again] for a message that it cannot
// take yet, and returns; nobody waits for anybody here.
//
// # A lone message
//
// What costs most for a small message is to wake a thread for it. So with RunOnLoop it
// goes from the socket to its receivers on the thread that epoll_wait has woken:
//
//	epoll_wait ──► readable ──► answer ──► turn ──► WakeAfter's turns ──► epoll_wait
//
// Events only make connections ready; the bell (loop.ring) has the loop's goroutine queue
// all of one batch under one lock and then run them, while the events of the next batch
// gather in the kernel. A callback that has work for others, such as a room's broadcast,
// makes it a [Turn] and asks for it with [Turn.WakeAfter]: the same goroutine runs it when
// the connection's turn has ended, within a bound of writes. If the turn has output to write and
// the callback's work makes few writes, the goroutine runs it before that output leaves: a reply and
// the broadcast of the same message then leave in one write. What is more, what is in the
// background and all other turns go to the workers by the ready list. A worker is woken
// for a connection only when those that run have too many to take soon; without RunOnLoop,
// whose handlers may block, whenever one waits and none is on its way (pool.go).
//
// For 100 clients whose messages came back one by one, the server switched threads
// 30,000 times a second before, and 4,500 times after.
//
// # The write bit
//
// Any goroutine may push. It appends a reference under the record's short
// lock and tries the write bit; who finds it taken sets "again" and leaves,
// and the holder looks again before it lets go. No record's lock is held over a
// system call. "Blocked" is set before the write that may fail is made once
// more, so the edge that announces room in the socket is never lost.
//
// # Closing
//
// Every close has one [Cause], begins in beginClose (marks; wakes the turn)
// and ends in finish, on the turn, once the write bit is free: Del, close(2),
// Handler.Close, record back to the slab with a new generation. So no
// descriptor is closed under a writer and there is one Close per Open. Whether a
// connection is open, and is sent a Close frame, or not, and is answered with an
// HTTP error if at all, is decided under the record's lock, with fOpen.
//
// The rule: a client that takes too little is closed as [Slow]. No message is left out
// of what a client gets; it ends, or it has no hole.
//
// # What a handshake costs
//
// A client that connects costs four system calls: accept4, epoll_ctl, read and write,
// which takes its answer to the client's socket; one that is reset costs read, epoll_ctl
// and close. That is some 20 of the 25 µs of CPU that both take together, and what a bare
// loop of these calls takes as well. So the rest is worth little but must stay so: socket
// options come from the listener, the answer is written into the worker's memory, and the
// one allocation is the callback at the poller. What Open pushes leaves with the answer.
// Of a storm on one machine the client takes half.
//
// # Full servers
//
// What only waits for its client gives its place to whoever comes (makeroom.go): HTTP
// connections that are idle or stalled, the oldest of the unfinished handshakes, and
// of those over the limit the one that has been silent longest. So places that
// loopback and proxies may take without a bound are not theirs for good either.
// Each reason to refuse leaves a line now and then, with the setting that decides it.
//
// # HTTP as others write it
//
// The rule: a request that RFC 9110 or RFC 9112 allows, in whatever form, is taken as the
// RFC says (request.go, http.go); what the RFCs leave to the server, and could smuggle
// one request inside another, is answered and ends the connection.
//
// # Shutting down
//
// While a shutdown drains, everything but opening goes on: listeners accept, so
// that whoever comes is told 503 and when to come again; timers, deadlines and
// heartbeats run; and before the goodbye to a connection its handler pushes what
// it has gathered for it ([Settler]). The listeners are closed when the last
// client is gone, the timers end after that.
//
// # Who owns what
//
// The record of a connection (record.go) holds no pointer and never moves. What
// only few connections have at a time lies in side tables: the unfinished
// input (owned by the turn), the unsent output (under the record's lock), and
// the extra: user data, TLS, the reason of a close.
//
// # Lock order
//
//	listener.mu  →  Server.mu, record.mu, tlsState.mu, easygo's, the leaves
//	Server.mu    →  easygo's, net/http's
//	record.mu    →  tlsState.mu, the leaves
//	tlsPlaces.mu →  tlsState.mu, addrs.mu
//	tlsState.mu  →  addrs.mu, pool.mu
//	lentConns.mu →  addrs.mu
//	leaves, under which nothing is taken: those of packages slab and wheel, addrs.mu, pool.mu,
//	counters.mu, Frame.mu, waiting.mu, worker.mu
//
// No system call that reads or writes a connection is made under a lock. Those
// that make and end descriptors are, none of which waits: accept4, epoll_ctl
// and the close of what cannot be served under listener.mu, which only accept
// and what pauses, resumes and ends it take; epoll_ctl under Server.mu in Listen; timerfd_settime under
// the wheel's.
//
// No lock is held while a callback runs: it may call every exported method. The
// Logger's handler is none: it must not call back.
package netpoll
