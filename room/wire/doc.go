// Package wire holds the dialects: what bytes of a message mean. It knows no
// connection, no room and no user; what it decodes is the caller's to judge.
//
// # plain
//
// The dialect of a connection that asks for no subprotocol; it is what the
// page that webim began as speaks. There are no commands: the path of the URL
// names the room ("/" is the lobby), every text or binary message that comes
// in goes out, as it is, to everybody in the room, the sender included.
//
// [TargetOf] is the one place that decides what a path names. A path that begins like
// one of the server's own never names a room, whatever its spelling: a client that
// misses the endpoint by a slash would talk to a room and publish its token there.
//
// # centrifuge
//
// The Centrifuge client protocol, version 2, which client libraries for many
// languages speak. The types are those of github.com/centrifugal/protocol, whose
// client.proto is the reference of every field. A connection has one [Encoding]:
//
//	JSON      text messages; a line is a command or a reply
//	Protobuf  binary messages; each command or reply has its length before it
//
// A client sends commands, with a number of its own choice, and gets replies
// with that number, in any order, several in a message where that suits. A reply
// without a number is a push: news that nobody asked for. So a client comes in,
// joins and speaks:
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
// The last two are a ping of the server and the client's pong: an empty reply
// and an empty command, `{}` or one zero byte. The clients' timers know only
// these, whatever else flows.
//
// The way in is [Decode], [Commands.Next], [Check] and, for what a room is to
// keep, [Data]. What cannot be understood closes the connection ([ErrMalformed]
// and its like); what can, and is not right, gets an error reply. Both are
// errors that wrap their code: [DisconnectCode], [ErrorCode]. The way out is
// [Append], [AppendPublication] and [Join]. All functions may be called from any
// goroutine.
//
// The rule of strictness: what enters a room, at any door and in any dialect, is data
// that every reader of webim takes ([Valid]): one JSON value of UTF-8, in which no
// object has a name twice and no escape is half a surrogate pair. Anything else is
// ErrBadRequest at the door. So no reader refuses later what a room keeps, and an item
// that an engine got from elsewhere fails no list ([Append]).
//
// JSON carries data as it is, which is why data is one JSON value in both
// encodings: bytes of a Protobuf sender could otherwise end a line of the JSON
// receivers and begin another in the server's name. Rooms marked binary take any
// bytes, and no JSON connections ([Admit]).
//
// Where a room has clients of both dialects, a plain text T is the data
// {"text":T} ([TextData]), and data shows in plain as its text, else as its JSON
// ([DataText]).
package wire
