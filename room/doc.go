// Package room is about the meaning of messages: which connections are members of which room, which
// messages a room has in its history, and how a message gets to all members. It knows no
// descriptors, no HTTP and no dialect: packages plain and centrifuge turn the messages of clients
// into calls of a [Hub], and package mux passes the events of a connection to one of them.
//
// # Packages
//
// Imports run one way, from the top of this table to the bottom; cmd/imports_test.go has the exact
// rules.
//
//	api                the server API, for backends and operators
//	hooks              the requests to the application's backend, over HTTP
//	apikey             the keys of backends and operators, and the methods and rooms that they open
//	live               the live picture of the server, for operators
//	chat               the chat calls of clients, and their events
//	chat/messages      the messages of a room as users see them, from its log and the State
//	chat/store         the State, read and written in straight-line code
//	chat/invitations   the rates of invitations
//	chat/emoji         which texts are an emoji
//	rpc                the calls of clients: how a call runs, and what it may do
//	roomtest           for tests: serves a hub
//	mux                the netpoll.Handler of a hub: it chooses the dialect of each connection
//	centrifuge         the Centrifuge dialect: sessions, commands, subscriptions
//	plain              the plain dialect
//	room               hubs, rooms and members: joining, delivery, flow control, presence, notices
//	control            acts on the connections of this node, for control messages, bans and revoked tokens
//	judge              whether a client may do something in a room; whether its token is valid
//	flight             the flight recorder: why the last connections ended, and what happened before
//	identity           the client behind each connection: its identity, payer and rates; the sessions by user
//	backend            the contract of the application's backend, which may decide in place of rights
//	cost               how much of its rates each connection, user and address has used
//	shares             which owner pays for which entry of the State; the sizes of rosters
//	slowmode           slow mode: the least time between two messages of a user in a room
//	moderation         bans and mutes: imposing, lifting, the copy in each node, the audit log
//	guest              anonymous connections with a name, and their tokens
//	policy             the rights: roles, the options of a room, private rooms; one Decide
//	token              the verification of tokens, and the identity in them
//	engine/enginetest  for tests: checks an engine, and gives the test its clock
//	engine             the contracts of the store behind rooms: Log, State and Control
//	engine/memory      the engine inside one process
//	engine/window      for engines: the newest part of a room's log in memory
//	engine/entries     for engines: the entries of a State in memory
//	engine/hubs        for engines: the nodes in this process
//	engine/published   for engines: which messages with a Key were published not long ago
//	engine/jetstream                    the engine on NATS JetStream
//	engine/jetstream/natstest           for tests: one node's copy of the State is held back
//	engine/jetstream/archive            backups of the store, and restoring them
//	engine/jetstream/internal/erasures  the list of erased users, in a stream
//	engine/jetstream/internal/removals  deleted messages are noted while a backup is restored
//	engine/jetstream/embedded           nats-server inside this process: folder, lock, syncs, restarts
//	engine/jetstream/embedded/internal/reindex  the index of a stream is written after a kill, for a fast start
//	engine/jetstream/internal/codes     the numbers by which the store tells why it refuses something
//	engine/jetstream/internal/acks      messages are sent to the store, and its answers arrive
//	engine/jetstream/internal/jobs      what may wait runs on a bounded number of goroutines
//	engine/jetstream/internal/logread   messages are read from the store
//	engine/jetstream/internal/cluster   the nodes: which of them live, and questions to all of them
//	engine/jetstream/internal/told      which members on other nodes the rooms were told of
//	engine/jetstream/internal/gate      calls wait while an engine moves to another process
//	engine/jetstream/internal/frames    the bytes of messages between nodes
//	engine/jetstream/internal/keys      the keys of users, in a stream
//	engine/jetstream/internal/keyuse    the keys that texts of the log need
//	engine/jetstream/internal/retire    the rules by which keys without texts are removed
//	engine/jetstream/internal/seal      what users say is encrypted, with a key for each user
//	engine/jetstream/internal/state     the State on one stream, with a copy in memory
//	engine/jetstream/internal/envelope  the bytes of a message in the log
//	engine/jetstream/internal/streams   the streams are opened: made, migrated, brought to the settings
//	engine/jetstream/internal/format    what is stored is migrated to the current format
//	engine/jetstream/internal/subject   names as tokens of NATS subjects, and back
//	engine/jetstream/internal/tally     how many messages of a log are after an offset
//	engine/jetstream/internal/roomlog   the log of one room is read: forwards, backwards, in pages
//	engine/jetstream/internal/recent    the newest publications of a room in memory
//	engine/jetstream/internal/sweep     rooms are compared with their logs
//	engine/jetstream/internal/inbox     messages of the server wait for their topics
//	engine/jetstream/internal/wiping    which removed messages may still be in the files
//	engine/jetstream/internal/codec     stored messages as publications, and back
//	engine/jetstream/internal/stubs     the stubs of redacted publications are found in the State
//	engine/jetstream/internal/cuts      removed histories, and the names of epochs
//	engine/jetstream/internal/ids       the ids of messages with a key in the store, and how many there may be
//	engine/jetstream/internal/daily     how much each payer adds to the store in a day
//	engine/jetstream/internal/durable   waits until messages are on the disk
//	engine/jetstream/internal/fault     the errors of the store as those of package engine
//	engine/jetstream/internal/flights   many callers wait for one job
//	wire               the bytes of both dialects, as commands and events
//	work               runs calls and the follow-ups of messages on a bounded number of goroutines
//	await              waits for functions that pass their result to a callback
//	budget             rates and shares: the limits of the costs of a client
//	internal/encode    publications and notices as the messages of each dialect
//	internal/pause     how long a shard pauses after a sweep: by the load and by the arrivals
//	internal/latency   how long messages take until they were offered to all members
//	internal/notices   which joins and leaves a room tells, and when
//	internal/deferred  calls functions soon that a caller with a lock cannot call
//	internal/timers    calls functions at given times, up to a second late
//	internal/nametable finds the rooms by their names, in little memory
//	internal/neutral   removes the parts without content from JSON values
//	name               the names of rooms and persons
//
// # Vocabulary
//
// Each word has one meaning in this package:
//
//	member             a connection in a room
//	kind               the frames that a member takes: dialect, variant, and whether it gets notices
//	group              the members of one kind in a room; they share a log
//	log                the encoded messages of a group that are not swept yet
//	shard              at most 512 members of a group, and their position in the log (cursor)
//	slot               where a room keeps a member: the shard, and the index in it
//	reserve, cancel    count a member that has no slot yet, and take that back
//	sweep              write all pending messages of the log to the members of a shard
//	cut                the part of the log that one sweep writes
//	batch              the members that one run of a shard's turn serves; the current one is being served
//	pause              the time between two sweeps in which a shard gathers messages
//	load, burst        the two measures that decide how long a pause is
//	pending join       a membership that is being made for a session
//	buffer             the publications that are kept for a pending join
//	latch              keeps pending joins from taking slots before the connect reply is queued
//	resolve            finish a pending join that has everything it needs
//	recovery           the publications that a client missed, in the reply to its join
//	gap                a loss of publications between the engine and a node
//	flow control       bounds the bytes that a room has to sweep
//	acquire, release   take bytes of flow control for a message, and give them back
//	resume             let a sender try again whose message did not fit
//	reclaim            free the bytes of a resumed sender that did not come
//	active, idle       something happens in a room or not; an idle room has no groups
//	notice             tells listening members that a client joined or left
//	typist             a user that types
//	presence count     counts the members of a room by user
//	deferred work      functions that a worker calls later, because the caller holds a lock (Hub.Post)
//	settle             sweep everything before the server closes connections
//	call               an RPC of a client that this server answers
//	follow-up          the work that follows a message, such as to tell other users about it
//	session message    a message to publish in the name of a session
//	control message    an instruction to all nodes about the connections of a user or a client
//	hook request       a request to the application's backend, whose answer is a hook reply
//	move               go to another process in a live upgrade, with the connections (move.go)
//	stay               do not move: the connection ends with the old process
//	quiet              nothing is under way, see Hub.Quiesce
//	verdict            the result of policy.Decide
//	refusal            a verdict against an action, which is counted
//	payer              the owner that pays for data, bytes or call slots
//
// # The line
//
//	message ──► dialect ──► judge ──► acquire ──► publish ──► deliver ──► sweep ──► netpoll's queues
//
//	step     file              runs on
//	dialect  mux/, plain/,     the worker that holds the connection's turn: with
//	         centrifuge/       netpoll.Config.RunOnLoop often the goroutine of a loop
//	judge    relay.go,         the same worker, or the goroutine that has the answer of a
//	         publishas.go      backend: checks the rights and limits of a message;
//	                           the plain dialect checks the limits after acquire
//	acquire  flowcontrol.go    the same worker; or later, when the message comes again
//	publish  publishing.go,    the same worker, or any goroutine; the memory engine completes
//	         engine/           before Publish returns
//	deliver  deliver.go,       the goroutine that the engine calls from
//	         gap.go
//	sweep    sweep.go          a worker, as the shard's own turn; for a small room the worker
//	                           that decoded the message, at the end of its turn
//	control  control/          any goroutine: a backend changes the connections of a user by a
//	                           control message, which the engine sends to all nodes; each node
//	                           applies it to its own connections
//	call     rpc/, work/       a goroutine, which may wait for the engine; meanwhile the
//	                           connection is not read. If nothing can make the call wait, it
//	                           runs on the worker. The calls are in package chat
//
// The engine gives a message its position (epoch and offset) and keeps it in the history. A room
// exists while it has members on this node, and gives the message to them. Nothing outside the
// engine assumes that all members are on this node.
//
// The file join.go describes how a session gets its slot, and exactly the publications that it
// missed. The file gap.go describes what happens when the engine loses publications.
//
// # What the rooms know of a connection
//
// Package identity has the identity of a connection, and what it has used of its rates. A connection that
// can be in several rooms has a Session as its data, an interface (sessions.go). A connection without a
// session is in one room, which its tag names. A session's part of a join is a Joiner (pending.go). The
// rooms, the logs and the sweeps do not know a dialect, except as a part of the kind of frames that a
// member takes (room.go).
//
// # Why a room sweeps
//
// On Linux, a write of 128 bytes to one of thousands of sockets costs about 8 µs, and a write of 128
// messages 9 µs. So a room encodes a message once, into its log, and serves its members in shards:
// each shard takes all messages that are pending since its last sweep, and gives them to each member
// with one write. In a quiet room a message leaves at once. In a busy room, the messages that come
// during a sweep, or during the pause after it, leave together in the next sweep. There is a pause
// only while the workers have much to do, and it is longer while a burst of clients connects
// (internal/pause): otherwise a large room would take too much time from the handshakes. One run of
// a shard's turn serves one batch, so that small rooms are served in between.
//
// A lone message is swept by the worker that decoded it, at the end of its turn, if a shard has at
// most 64 members (netpoll.Turn.WakeAfter). So the message needs neither the ready list nor another
// thread, and all messages that the turn publishes leave together. Publishing itself never writes; a
// goroutine that is no worker only wakes the shard. A shutdown sweeps the pending messages before
// it closes a connection (settle.go), so that no acknowledged message is lost. Package
// internal/latency measures how long messages take.
//
// # Rights, costs and owners
//
// Package policy judges the rights of clients, by one function for all ways in; package judge gathers
// its arguments, and verifies tokens. Package cost charges each client for what it makes the server do, and package budget
// lists every budget. Rights and rates are judged for each command, in package centrifuge, and in
// relay.go for the plain dialect. Hub.Spend charges for the bytes of the input. Typing, and each
// notice that a message makes the server publish, as in the personal rooms of a roster, costs as much
// as a message (cost.Meter.ChargeOwner). Package slowmode has slow mode. For an idle connection none
// of them needs memory except a few numbers in its data (cost.Usage).
//
// Data that outlives a connection (rosters, marks, settings of a room, bans and mutes) are small
// entries of the engine's State. Package moderation has the bans and mutes; package control enforces
// bans on the connections of this node.
//
// Everything that lasts has an owner that pays for it (package shares, budget.Pool): an entry of the
// State, a room with members, a history, the key of a message, the last message of a user in a room
// in slow mode. The rules: no user and no address may use up a store of the server. An entry that
// grows is checked like a new one, for the bytes by which it grows. A message is published
// even if there is no space for its key.
//
// # Memory
//
// The history of a room has one quota for messages and another for events
// (engine.Message.CompactKey). The rule: an event never takes the place of a message, and only users
// that may send to a room can make events there. The size of each outgoing message is limited as a
// whole, so that one message does not make a room forget all others (policy.Options), and each text must
// be visible (policy/text.go). The doc.go of the engine, such as engine/memory, describes how the
// history is stored.
//
// In most rooms nothing happens most of the time. Such a room, if it has at most eight members, is
// idle (active.go): it takes 128 bytes, and 16 for each member. Groups, logs, shards, turns
// and the flow control are made with the first message, and dropped when none has come for ten
// seconds.
//
// A slot takes 16 bytes. The slot of a plain client is in the tag of its connection, which needs no
// other memory; a session has a list of its slots. Slots do not move, so members can join and leave
// during a sweep: a member that joins is owed only the messages behind the end of the log at that
// moment, and a member that has left is skipped.
//
// # Joins and leaves
//
// The rule: a client that joins a room pays for the notices of the join and of the leave, their size
// times the members that listen, before it becomes a member (Room.chargeNotices). And a room spends
// no more on notices than notices.Rate (internal/notices). Beyond that, notices wait for one sweep each
// second, in their order. If a client has left before its join was told, neither is told, unless a
// presence may have shown the client. So a join is told once, its leave once and after it, each in a
// push of its own. Only a notice that is told at once has a position among the messages.
//
// # Refusals in the log
//
// Every refusal leaves one line with its reason and the setting to look at, at most one line for each
// reason in ten seconds, and never with a token or a text. The lines about tokens are in package
// judge, those about connections and commands in refusallog.go, those about budgets in package cost,
// those about shares in package shares and registry.go. Owners of private rooms have a limited share
// of the audit log (package moderation).
//
// # Walks
//
// A call of a client looks at the members of its room, and never at all connections, rooms or users,
// because anybody can be the owner of a room and make such calls. Only operators, and moderators of
// all rooms, can make the server walk everything (package control). Members are counted before they are
// listed, and a list that is too long is never made (presence.go). In the same way the State counts
// the entries of a list, and does not read them, to find out whether it is full
// (State.CountEntries). Members are told once a second which users type (typing.go). No lock of the
// hub is held during a walk.
//
// # The parts that stay together
//
// A join, a sweep, flow control and an idle room change one state under one mutex, Room.mu. A session
// gets its slot in the critical section in which its reply is queued, so that it misses no publication
// and gets none twice (join.go). The end of a batch resolves joins and tells of gaps, and the end of a
// sweep resumes senders. A package for one of them would call back into the room with its mutex held.
// The presence count and the typists are changed with the slots and with each publication. That is
// why this package is as large as it is.
//
// # The order of the files
//
// A file uses only what stands before it in this list; a test in cmd reads it. There are two kinds of exceptions: the types Hub,
// Config, Room, Session and PendingJoin name each other, and a new shard names the function that sweeps it.
//
//	state    errors.go, room.go, hub.go, shard.go
//	tables   registry.go, active.go, sessions.go, pending.go
//	around   config.go, stats.go, flowcontrol.go, history.go
//	publish  publishing.go, publishas.go, relay.go, publish.go
//	tell     notice.go, typing.go, presence.go
//	members  member.go
//	whole    move.go, settle.go, start.go
//	join     join.go
//	deliver  gap.go, sweep.go, deliver.go
//
// # Lock order
//
// In this list, A → B means that a goroutine that holds A may lock B, and never the other way round.
//
//	Hub.mu          →  Room.mu
//	Room.mu         →  the locks of a session, the locks of package cost
//	Room.mu         →  notices.Delays.mu, deferred.Queue.mu, timers.List.mu, activeRooms.mu, netpoll's
//	a session's     →  the locks of package cost, identity.Table.mu, notices.Delays.mu, deferred.Queue.mu, netpoll's
//	package cost's  →  timers.List.mu
//	notices.Delays  →  deferred.Queue.mu, timers.List.mu
//	deferred.Queue  →  netpoll's
//	the log of the engine, for one room  →  Room.mu
//	the State of the engine              →  the locks of packages moderation and shares, deferred.Queue.mu
//
//	mutex              guards
//	Hub.mu             the rooms by name and number. It is taken before Room.mu, because a room may be
//	                   removed only while its own lock says that it is empty
//	Hub.reconfiguring  the order of the changes of settings (Hub.Reconfigure); the locks of packages
//	                   budget and work are taken under it, one after the other
//	Room.mu            the members, logs, cursors, pending joins and flow control of a room
//	activeRooms.mu     the list of the active rooms
//
// activeRooms.mu, identity.Table.mu, timers.List.mu and the locks of packages work, shares, slowmode and
// moderation are innermost: nothing is locked under them, except the mutex of a budget.Pool. That
// mutex may be taken under any lock, and nothing is locked under it. The locks of an engine are in
// its own doc.go. Hub.mu and a lock of the engine are never held together. A goroutine that joins a
// room waits for the sync.Once of Hub.starting, and must hold no lock then. Hub.Broadcast has an
// innermost mutex of its own.
package room
