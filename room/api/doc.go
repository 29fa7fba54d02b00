// Package api is the server API, over which an application's backend controls webim by
// HTTP. Requests and responses have the shape of Centrifugo's server API, so Centrifugo's
// client libraries work unchanged. The other direction is package room/hooks, over which webim
// asks the application's backend.
//
//	POST /api/publish
//	X-API-Key: …
//
//	{"channel":"lobby","data":{"text":"hi"}}
//
//	200 {"result":{"offset":8,"epoch":"…"}}
//	200 {"error":{"code":107,"message":"bad request: channel is missing"}}
//
// openapi.json describes every field, method and error. GET /api/openapi.json serves it,
// and a test compares it with the handlers.
//
// # The order of the files
//
// A file uses only what stands before it in this list: a test in cmd reads it. Only a batch goes on to all methods.
//
//	key.go       the methods and rooms that a key opens, by package room/apikey
//	handler.go   Config and Handler
//	errors.go    errors, with Centrifugo's codes
//	who.go       the caller: a backend with a key, or a moderator with a token, and what it may do
//	respond.go   the forms of a response
//	openapi.go   serves openapi.json
//	method.go    a method: decoding a request, calling, encoding the result
//	batch.go     batch
//	target.go    control messages to the connections of a user
//	publish.go   publish, broadcast, send
//	control.go   subscribe, unsubscribe, disconnect, refresh, revoke, erase
//	admit.go     finding the caller of a request
//	sanctions.go ban, unban, mute, unmute, kick, sanctions
//	rooms.go     history, history_remove, presence, presence_stats, channels, info
//	methods.go   the table of methods, and the rights of keys that name them
//	lines.go     POST /api: the older form, {"method":…,"params":…} on each line
//	api.go       requests: routing, status codes, size limits
//
// # Access
//
// A request needs a key, in the header X-API-Key or as "Authorization: apikey KEY". A key
// has a name, which log lines show as by="key NAME". A key may have rights. A right names
// a method, which is open everywhere or in the rooms that match a pattern, as
// publish@team-* (package room/apikey). A right with a pattern opens only requests that
// name rooms, and every room in the request must match.
//
// Instead of a key, a request may have the token of a moderator of all rooms, as
// "Authorization: Bearer TOKEN". The token opens the methods that the role allows.
// Package room/policy, which also judges requests on sockets, decides by the rights of the
// room and refuses users and addresses that are banned. So a token opens no private room,
// and it cannot lift a ban or mute that an admin or a key imposed.
//
// Keys and tokens never stand in the URL, because URLs are logged. A page on a foreign site
// cannot use the API from a browser: the server never sends a CORS header, and if the Host
// header is a name, it must be a configured name. Otherwise the owner of the foreign site
// could point a name of their own at this server.
//
// # Strict decoding
//
// A request is refused if a field is unknown, appears twice, differs in case or has the
// wrong type. Otherwise a misspelt idempotency_key would silently do nothing. null means
// that the field is absent. PHP writes an empty map as [], so [] and other values without
// content count as an empty object where an object is expected. An unknown field without
// content, such as "version":0, is ignored (package room/internal/neutral). Only the
// older form, POST /api, is lenient, because its client libraries need it.
//
// # Idempotent publishing
//
// If a publish or broadcast repeats an idempotency_key within five minutes in the same
// room, the room does not get the message again. The response has the offset of the first
// message. If data or tags differ from the first message, the request fails with error 113.
// The engine remembers 65,536 keys by default, and forgets the oldest first. Engines with a store
// know a key for a minute.
//
// # Authors
//
// publish and broadcast may name an author with user and info. Receivers see the author as
// they see any other user. Such a message has the tag via=api, which no client can set, so
// receivers can tell that the backend published it.
//
// # Goroutines
//
// A request runs on the goroutine of its HTTP request, and waits there for the engine, at most
// Config.Timeout. The commands of a parallel batch run on up to 16 goroutines more, which end
// before the response. Config and the table of methods do not change after New. The package has no
// mutex.
//
// # Vocabulary
//
//	method   a call by name, as publish; its request and its result are JSON
//	caller   a backend with a key, or a moderator with a token
//	key      see package room/apikey
//	command  a call inside a batch
package api
