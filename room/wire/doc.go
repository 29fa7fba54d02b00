// Package wire encodes and decodes the messages of both dialects. It knows no connection, no room
// and no user; the caller decides about the commands that it decodes.
//
// # plain
//
// The plain dialect is the dialect of a connection that asks for no subprotocol, such as that of
// the original page. It has no commands. The path of the URL names the room ("/" is the lobby), and
// every text or binary message goes unchanged to everybody in the room, including the sender.
//
// [TargetOf] is the only place that decides what a path names. The rule: a path that begins like
// one of the server's own paths never names a room, in any spelling. Otherwise a client that
// misses the endpoint by a slash would talk to a room and publish its token there.
//
// # centrifuge
//
// The centrifuge dialect is the Centrifuge client protocol, version 2, which client libraries for
// many languages implement. The types are those of github.com/centrifugal/protocol, and its
// client.proto is the reference of every field. A connection has one [Encoding]:
//
//	JSON      text messages; each line is a command or a reply
//	Protobuf  binary messages; each command or reply is preceded by its length
//
// A client sends commands, with ids that it chooses, and gets replies with these ids, in any order,
// possibly several in one message. A reply without an id is a push, which the server sends by
// itself. A client connects, subscribes and publishes like this:
//
//	→ {"id":1,"connect":{"token":"…"}}
//	  {"id":2,"subscribe":{"channel":"lobby","recoverable":true}}
//	← {"id":1,"connect":{"client":"…","version":"webim","ping":25,"pong":true}}
//	  {"id":2,"subscribe":{"recoverable":true,"epoch":"…","offset":7,"positioned":true}}
//	→ {"id":3,"publish":{"channel":"lobby","data":{"text":"hi"}}}
//	← {"push":{"channel":"lobby","pub":{"data":{"text":"hi"},"info":{…},"offset":8}}}
//	  {"id":3,"publish":{}}
//	← {}
//	→ {}
//
// The last two lines are a ping of the server and the client's pong: an empty reply and an empty
// command, which are `{}` or one zero byte. A client watches the connection by the
// server's pings alone, whatever other messages come.
//
// [Decode], [Commands.Next] and [Check] handle input, and [Data] checks data for a room. With
// [Commands.Lend] a publish command in its usual form is decoded without garbage (publish.go), and
// plain data is checked in one pass (scan.go). If a message cannot be decoded, the server closes the
// connection ([ErrMalformed] and the errors beside it). If a command can be decoded but is invalid, it
// gets an error reply. Both are errors that wrap a code, [DisconnectCode] or [ErrorCode]. [Append],
// [AppendPublication] and [Join] encode output. All functions are safe for concurrent use.
//
// The rule of strictness: data that enters a room, in any way and in any dialect, must be data that
// every reader in webim accepts ([Valid]): one JSON value in UTF-8, without duplicate names in an
// object and without half a surrogate pair in an escape. Anything else is refused with
// ErrBadRequest. So no reader fails later on data that a room stores, and an item that an engine
// got from elsewhere does not make a whole list fail ([Append]).
//
// JSON replies contain data unchanged. So data is one JSON value in both encodings: otherwise the
// bytes of a Protobuf sender could end a line for the JSON receivers and begin another line in the
// server's name. Rooms marked binary accept any bytes, and no JSON connections ([Admit]).
//
// In a room with clients of both dialects, a plain text T becomes the data {"text":T} ([TextData]).
// In the plain dialect, data becomes its text, or if it has none, its JSON ([DataText]).
package wire
