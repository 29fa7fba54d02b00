// Package room says what messages mean: who is in which room, what a room
// remembers, and how a message gets to everybody in it. It knows no
// descriptor, no HTTP and no dialect: packages plain and centrifuge turn what clients
// send into calls of a [Hub], and package mux hands a connection's events to one of them.
//
// # Packages
//
// Imports run one way, from the top of this table to the bottom; cmd/imports_test.go has the exact
// rules.
//
//	api              the server API, for backends and operators
//	hooks            the requests to the application's backend, which may decide in place of rights
//	apikey           the keys of backends and operators, and the methods and rooms that they open
//	live             the live picture of the server, for operators
//	chat             the chat calls of clients, and their events
//	mux              the netpoll.Handler of a hub: which dialect a connection speaks
//	centrifuge       the Centrifuge dialect: sessions, commands, subscriptions
//	plain            the plain dialect
//	room             hubs, rooms and members: joining, delivery, flow control, presence, notices
//	cost             what each connection, user and address has used of its rates; who is refused or waits
//	shares           which owner pays for which entry of the State; the sizes of rosters
//	slowmode         slow mode: the least time between two messages of a user in a room
//	moderation       bans and mutes: imposing, lifting, the copy in each node, the audit log
//	policy           who may do what: roles, rights by room, private rooms; one Decide
//	token            the verification of tokens, and the identity in them
//	engine           the contracts of the store behind rooms: Log, State and Control
//	engine/memory    the engine inside one process
//	wire             the bytes of both dialects, as commands and events
//	budget           rates and shares: what a client may cost
//	internal/encode   publications and notices as the messages of each dialect
//	internal/pause    how long a shard pauses after a sweep: by the load and by the arrivals
//	internal/latency  how long messages take until they were offered to all members
//	roomtest         for tests: serves a hub
//	name             the names of rooms and persons
//
// # The line
//
//	message ──► dialect ──► flow control ──► Engine ──► Room ──► shard ──► netpoll's queues
//
//	step     file              runs on
//	dialect  mux/, plain/,     the worker that holds the connection's turn
//	         centrifuge/
//	judge    relay.go, publishas.go  the same worker, or the one that has a backend's answer:
//	                           what a message has to pass
//	acquire  flowcontrol.go    the same worker; or later, when the message comes again
//	publish  engine/           the same worker, or any goroutine; the memory
//	                           engine completes before Publish returns
//	deliver  room.go, gap.go   whoever the engine calls from
//	sweep    sweep.go          a worker, as the shard's own turn; of a small room
//	                           the one that decoded the message, at its turn's end
//	control  control.go,       any goroutine: a backend changes a user's
//	         users.go          connections by a control message, which the engine
//	                           sends to all nodes; each applies it to its own
//	call     call.go, work.go  a goroutine, which may wait for the engine; meanwhile its
//	                           connection is not read. If nothing has to wait, the
//	                           worker. Package room/chat has ours
//
// The engine gives a message its place (epoch and offset) and remembers it;
// a room, which exists while it has members on this node, gives it to them.
// Nothing outside the engine assumes that all members are on this node.
//
// How a session comes to its slot, with what it missed and no more, is told in
// join.go; what becomes of it when the engine loses something, in gap.go.
//
// # What the rooms know of a connection
//
// Who a connection is and what is left of its rates is its Principal (principal.go), which
// each dialect embeds in its connection's data. A connection that may be in several rooms is
// a Session, an interface (sessions.go); one without a session is in one room, which its tag
// names. A session's part of a join is a Joiner (pending.go). The rooms, the logs and the
// sweeps know no dialect but by the kind of frames that a member takes (kind.go).
//
// # Why a room sweeps
//
// On Linux a write of 128 bytes to one of thousands of sockets costs about 8
// µs, and a write of 128 messages 9 µs. So a message is encoded once, into the
// room's log, and the members are gone through in shards: each takes all that
// is pending since its last sweep and writes it to each of its members with
// one write. A quiet room's message leaves at once; a busy room's messages
// that arrive during a sweep, or the pause after it, leave together in the
// next. There is a pause only while the workers have much to do (internal/pause). A shard does
// a batch a turn, which lets small rooms through. While a crowd of
// clients connects, shards pause longer: a large room would otherwise take
// from the handshakes more than they need.
//
// A lone message of a room of at most 64 members is swept by the worker that decoded it,
// at the end of its own turn (netpoll.Turn.WakeAfter): the message needs neither the
// ready list nor another thread, and what the turn publishes there leaves together.
// Publishing itself never writes: whoever is no worker only wakes the shard. A
// shutdown sweeps what is pending before it says goodbye to a member (settle.go), so
// that no acknowledged message is lost. How long it
// took is measured by internal/latency; inspect.go has what those look at who run the
// server.
//
// # Who owns what
//
// Who may do what is judged by package policy, by one function for every door;
// rights.go puts together what it is asked. Package cost charges each client for what it makes the
// server do, and package budget lists every budget. Rights and rates are judged for
// each command, in package centrifuge, and in relay.go for the plain dialect. Hub.Spend charges for the
// bytes of the input. Typing, and each notice that a message makes the server publish, as in
// the personal rooms of a roster, costs as much as a message (cost.Meter.ChargeOwner). Package slowmode has
// slow mode. For an idle connection none of them needs memory except a few numbers in its data
// (cost.Usage). The rosters of private rooms are in private.go.
//
// What is to be known longer than a connection lives (rosters, marks, how a room is
// set, bans and mutes) are small entries of the engine's State. Package moderation
// has the bans and mutes; sanction.go enforces them on the connections of this node.
//
// Everything that lasts has an owner who pays for it (package shares, budget.Pool): an entry
// of the State, a room with members, what a room remembers, the key of a message, the last
// message of a user in a room in slow mode. The
// rule: no user and no address may take a store of the server whole, an entry that grows is
// asked like a new one, for what it grows by, and an extra that
// does not fit never fails what it belongs to.
//
// # What a room takes
//
// The history of a room has one quota for messages and another for events (engine.Message.CompactKey).
// The rule: an event never takes the place of a message, and only users that may send to a room make
// events there. The size of each outgoing message is limited as a whole, so that no message makes a
// room forget all others (options.go), and each text must be visible (policy/text.go). How the history is
// stored is in the doc.go of the engine, such as engine/memory.
//
// Nothing happens in most rooms at most times. A room in which nothing happens is idle
// (active.go): it takes 128 bytes, and 16 for each of its members, who are eight at most.
// Groups, logs, shards, turns and the flow control are made with the first message, and are
// dropped when none has come for ten seconds.
//
// Hub.mu guards the names; Room.mu a room's logs, its members' places, its
// shards' cursors, its flow control and the subscriptions under way. A member is a
// place in a shard, 16 bytes. That of a plain client is its connection's tag: no
// other memory; a session lists its own. Places do not move, so
// joining and leaving are safe while a sweep runs: who joins is owed only what
// comes behind the log's end at that moment, and who left is skipped.
//
// # Who comes and goes
//
// The rule: whoever joins a room pays for the notices of the join and of the leave, their
// size times the members that listen, before it is let in (Room.affordNotices); and a room
// spends no more on notices than noticeRate, whoever comes and goes (noticequeue.go). Beyond
// that they wait for one sweep a second, in their order; a client that has left before its
// join was told is not told, unless a presence may have shown it. So a join is told once,
// its leave once and after it, and each in a push of its own. Only a notice that is told at
// once has its place among the messages.
//
// # What the log says
//
// Every refusal leaves one line with its reason and the setting to look at, at most one
// for each reason in ten seconds, and never with a token or a text: refusallog.go has those of
// tokens, connections and commands, package cost those of budgets, package shares and
// hub.go those of shares. Owners of private rooms have a limited
// share of the audit log (package moderation).
//
// # What a call may look at
//
// A call of a client looks at the members of the room that it is about, and never at all
// connections, rooms or users: a room's owner, who may be anybody, can order walks. Only
// operators, and moderators of all rooms, can order a walk of everything (users.go). Members
// are counted before they are listed, and a list that is too long is never made
// (presence.go). Whether a list of the State is full is counted, too, and not read
// (State.CountEntries). Who types is told in one sweep a second, however many type (typing.go).
// No lock of the hub is held during a walk.
//
// # Lock order
//
//	Hub.mu  →  Room.mu  →  the locks of a session  →  netpoll
//	the engine's log  →  Room.mu
//	the locks of a session  →  the locks of package cost  →  timers.List.mu
//	Room.mu  →  timers.List.mu
//	the locks of a session  →  leaveDelays.mu  →  deferred.mu, timers.List.mu
//	Room.mu  →  activeRooms.mu
//	the engine's State  →  moderation, deferred.mu, the locks of package shares
//
// users.mu, work.mu and the locks of packages shares, slowmode and moderation
// are innermost: nothing is locked under them but the mutex of a budget.Pool, which is
// taken under any of these, and nothing under it. The locks of an engine are in its own
// doc.go. Hub.mu and an engine's locks are never held together.
package room
