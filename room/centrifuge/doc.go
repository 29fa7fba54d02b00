// Package centrifuge speaks the Centrifuge dialect: the Centrifuge client protocol, version 2,
// in JSON and Protobuf, at [Path]. It turns the commands of a connection into calls of package
// room, and sends the client its replies and pushes. A [Dialect] serves all connections
// of a hub; each of them has a session.
//
//	step       file                        runs on
//	handshake  dialect.go                  the worker that reads the request
//	session    session.go                  made as the connection opens; its replies
//	message    session.go, partial.go      the worker that holds the connection's turn;
//	                                       partial.go says when a command has to wait
//	connect    connect.go                  the same worker, or the one that has the last
//	                                       answer: token, backend, rooms
//	command    command.go, class.go        the same worker; replies may come later, from any
//	                                       goroutine
//	subscribe  subscribe.go, roster.go,    the same worker, or the goroutine that has the answer:
//	           pendingsubscribe.go         of the backend, the roster or the token verifier
//	backend    questions.go, backend.go    any goroutine: questions and their answers
//	control    control.go                  any goroutine: changes by control messages
//	expiry     expiry.go                   a worker, by the hub's timers: tokens that run out
//
// An idle client costs its session besides the connection's record: 208 bytes, and 32 for
// each room. It embeds a room.Principal and is a room.Session: the hub reaches it by its
// connection. Its part of a join is a room.Joiner (subscribe.go).
//
// # Waiting
//
// A worker never waits. A command that has to wait does so in one of four ways:
//
//   - connect is answered later: the rest of its message waits (partial.go).
//   - The queue of the connection is full, or one large reply is under way: the rest of the
//     message waits until the client has taken its replies (partial.go).
//   - The replies of a turn carry enough: the rest waits in the background (yield.go).
//   - A backend is asked: the messages of a client keep their order (inOrder), and no
//     more than MaxQuestions questions are under way (questions.go).
//
// # Vocabulary
//
//	session             a connection that speaks the dialect
//	subscription        a membership of a room that is to be made, or is
//	pending subscribe   a subscribe command that waits for a decision
//	pending join        a membership that the room is making (room.PendingJoin)
//	partial batch       a message of which some commands are handled
//	large reply         a reply that may be as large as Config.MaxReply
//	question            a hook of the backend that was asked for this connection
//	latch               keeps the joins of a connect command until its reply is queued
//
// # Lock order
//
//	Room.mu  →  session.mu  →  the hub's locks (see package room)  →  netpoll
//	session.mu  →  connecting.mu
//	questions.mu  →  netpoll
package centrifuge
