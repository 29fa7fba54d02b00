// Package wire holds the dialects: what bytes of a message mean.
//
// # plain
//
// The dialect of a connection that asks for no subprotocol; it is what the
// page that webim began as speaks. There are no commands: the path of the URL
// names the room ("/" is the lobby), every text or binary message that comes
// in goes out, as it is, to everybody in the room, the sender included.
package wire
