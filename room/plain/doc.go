// Package plain speaks the plain dialect. The path of a connection names its room. webim sends
// each text or binary message unchanged to every member of the room, its sender included, or to
// no member at all.
//
//	step       function           runs on
//	handshake  Dialect.Handshake  the worker that reads the request: token, rights, limits
//	open       Dialect.Open       the same worker: it adds the connection to its room
//	message    Dialect.Message    the worker that holds the connection's turn
//	close      Dialect.Close      a worker, after the socket is closed
//	move       Export, Adopt      the goroutine of a live upgrade, while everything stands still
//
// The tag of a connection holds its room and its slot there. A connection with a token has a
// identity.Principal as its data. A connection without a token gets one with its first message, so an
// idle client needs no memory besides the connection's record.
//
// The dialect cannot tell a client why webim dropped its message, and a handshake cannot wait for
// a backend. So the dialect refuses clients of a room if a hook of the backend would decide there.
package plain
