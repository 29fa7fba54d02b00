// Package plain speaks the plain dialect: a connection without a subprotocol, whose path is
// its room. A text or binary frame that comes in goes out unchanged to every member of the
// room, its sender included, or to nobody.
//
//	step       function           runs on
//	handshake  Dialect.Handshake  the worker that reads the request: token, rights, limits
//	open       Dialect.Open       the same worker: the connection joins its room
//	message    Dialect.Message    the worker that holds the connection's turn
//	close      Dialect.Close      a worker, after the socket is closed
//
// A connection without a token has no data until it first sends something: the room knows
// it by the tag of the connection. One with a token has a room.Principal as its data.
//
// The dialect has no way to tell a client why its message is lost, or to wait for a backend.
// So a room where a backend would be asked is not open to it.
package plain
