// Package centrifuge speaks the Centrifuge dialect: the Centrifuge client protocol, version 2,
// in JSON and Protobuf, at [Path]. It turns the commands of a connection into calls of package
// room, and sends replies and pushes to the client. A [Dialect] serves all connections of a hub, and
// each connection has a session.
//
//	step       file                        runs on
//	handshake  handler.go                  the worker that reads the request
//	session    session.go                  the same worker makes it when the connection opens
//	message    message.go, partial.go,     the worker that holds the connection's turn;
//	           yield.go                    partial.go and yield.go say when a command has to wait
//	connect    connect.go, connecting.go   the same worker, or the one that gets the last answer:
//	                                       of the token verifier, the backend or the rooms
//	command    command.go, class.go        the same worker
//	subscribe  subscribecommand.go,        the same worker, or the goroutine that gets the answer:
//	           subscribe.go, roster.go,    of the backend, the roster or the token verifier
//	           rights.go, token.go,
//	           pendingsubscribe.go
//	leave      leave.go                    the same worker, or any goroutine: memberships that end
//	reply      reply.go                    the same worker, or any goroutine for a later reply
//	backend    questions.go, backend.go    any goroutine: questions and their answers
//	control    control.go, early.go        any goroutine: changes by control messages
//	expiry     expiry.go                   a worker, by the hub's timers: connections and subscriptions that expire
//	move       move.go                     the goroutine of a live upgrade, while everything stands still
//
// An idle client costs its session besides the connection's record: 208 bytes, and 32 for each room.
// A session embeds a identity.State and implements room.Session; the hub reaches it by its
// connection. Its part of a join implements room.Joiner (subscribe.go).
//
// The package has 27 files: they share the session and its lock, so a package for one of them would need an accessor for each field.
//
// # The order of the files
//
// A file uses only what stands before it in this list; a test in cmd reads it, and has two exceptions for early.go: it keeps
// control messages that come before their session, and applies them then.
//
//	state          sub.go, dialect.go, questions.go, session.go
//	waiting        class.go, partial.go, pendingsubscribe.go, yield.go
//	replies        refusallog.go, reply.go
//	rights         rights.go, early.go
//	questions      backend.go
//	memberships    leave.go, expiry.go, token.go, roster.go
//	subscribing    subscribe.go, subscribecommand.go
//	connecting     connecting.go
//	commands       command.go, move.go, connect.go, message.go
//	from outside   control.go, handler.go
//
// # Waiting
//
// A worker never waits. A command that has to wait does so in one of four ways:
//
//   - If connect is answered later, the rest of its message waits (partial.go).
//   - If the queue of the connection is full, or a large reply is under way, the rest of the message
//     waits until the client has read its replies (partial.go).
//   - If the work or the replies of a turn are used up, the rest waits for the next turn (yield.go).
//   - If a backend decides, the messages of a client keep their order (inOrder), and at most
//     MaxQuestions questions are under way (questions.go).
//
// # Vocabulary
//
//	session             a connection that speaks the dialect
//	subscription        a membership of a room, complete or to be made
//	pending subscribe   a subscribe command that waits for a decision
//	pending join        a membership that the room is making (room.PendingJoin)
//	partial batch       a message of which some commands are handled
//	large reply         a reply that may be as large as Config.MaxReply
//	question            a request to a hook of the backend about this connection
//	latch               delays the joins of a connect command until its reply is queued
//
// # Lock order
//
//	Room.mu  →  session.mu  →  the hub's locks (see package room)  →  netpoll
//	session.mu  →  connecting.mu
//	questions.mu  →  netpoll
//	early.mu  →  the hub's locks
package centrifuge
