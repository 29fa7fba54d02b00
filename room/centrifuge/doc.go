// Package centrifuge speaks the Centrifuge dialect: the Centrifuge client protocol, version 2,
// in JSON and Protobuf, at [Path]. It turns the commands of a connection into calls of package
// room, and tells the client what the hub wants it told. A [Dialect] serves all connections
// of a hub; each of them has a session.
//
//	step       file                        runs on
//	handshake  dialect.go                  the worker that reads the request
//	session    session.go                  made as the connection opens; its replies
//	message    session.go, held.go         the worker that holds the connection's turn;
//	                                       held.go says when a command has to wait
//	connect    connect.go                  the same worker, or the one that has the last
//	                                       answer: token, backend, rooms
//	command    command.go, class.go        the same worker; replies may come later, from any
//	                                       goroutine
//	subscribe  subscribe.go, wish.go,      the same worker, or whoever has the answer: the
//	           roster.go                   backend, the roster, the keys of tokens
//	backend    asking.go, bybackend.go     any goroutine: questions, and what comes of them
//	control    apply.go                    any goroutine: what a control message changes
//	expiry     expiry.go                   a worker, by the hub's timers: tokens that run out
//
// A session is what an idle client costs besides the connection's record: 208 bytes, and 32
// for each room. It embeds a room.Principal and is a room.Session: the hub reaches it by its
// connection. Its part of a join is a room.Joiner (subscribe.go).
//
// # What waits
//
// A worker never waits. A command that has to wait does so in one of four ways:
//
//   - connect is answered later: the rest of its message waits (held.go).
//   - The queue of the connection is full, or one large reply is under way: the rest of the
//     message waits until the client has taken its replies (held.go).
//   - The replies of a turn carry enough: the rest waits in the background (yield.go).
//   - A backend is asked: what a client publishes keeps its order (asking.inOrder), and no
//     more than MaxQuestions are asked at a time.
//
// # Lock order
//
//	Room.mu  →  session.mu  →  the hub's locks (see package room)  →  netpoll
//	session.mu  →  connecting.mu
//	asking.mu  →  netpoll
package centrifuge
