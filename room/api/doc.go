// Package api is the server API, over which an application's backend controls webim by
// HTTP. Requests and responses have the shape of Centrifugo's server API, so Centrifugo's
// client libraries work unchanged. The package also has the hooks, over which webim asks
// the application's backend.
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
//	api.go       Config and Handler: routing, status codes, size limits
//	who.go       the caller: a backend with a key, or a moderator with a token
//	key.go       the methods and rooms that a key opens, by package room/apikey
//	method.go    the table of methods; decoding a request, calling, encoding the result
//	neutral.go   values without content, such as "version":0
//	publish.go   publish, broadcast, send
//	control.go   subscribe, unsubscribe, disconnect, refresh, revoke
//	rooms.go     history, history_remove, presence, presence_stats, channels, info
//	sanctions.go ban, unban, mute, unmute, kick, sanctions
//	batch.go     batch
//	lines.go     POST /api: the older form, {"method":…,"params":…} on each line
//	errors.go    errors, with Centrifugo's codes
//	openapi.go   serves openapi.json
//	hooks.go     Hooks: requests to the application's backend
//	hookjson.go  the JSON of hook requests and replies
//	places.go    limits the concurrent hook requests, and shares them between users
//	notices.go   the notices of disconnects
//
// # Access
//
// A request needs a key, in the header X-API-Key or as "Authorization: apikey KEY". A key
// has a name, which log lines show as by="key NAME". A key may have rights. A right names
// a method, which is open everywhere or in the rooms that match a pattern, as
// publish@team-* (package room/apikey). A right with a pattern opens only requests that name rooms, and
// every room in the request must match.
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
// content, such as "version":0, is ignored (neutral.go). Only the older form, POST /api, is
// lenient, because its client libraries need it.
//
// # Idempotent publishing
//
// If a publish or broadcast repeats an idempotency_key within five minutes in the same
// room, the room does not get the message again. The response has the offset of the first
// message. If data or tags differ from the first message, the request fails with error 113.
// The engine remembers 65,536 keys by default, and forgets the oldest first.
//
// # Authors
//
// publish and broadcast may name an author with user and info. Receivers see the author as
// they see any other user. Such a message has the tag via=api, which no client can set, so
// receivers can tell that the backend published it.
//
// # Hooks
//
// A hook is a POST request with a JSON body, in the shape of Centrifugo's proxies. Every
// hook has client (the connection's id), transport ("websocket"), protocol ("json" or
// "protobuf") and encoding ("json"; "binary" if the client's data is not JSON, which then
// comes as b64data). After connect has succeeded, hooks also have user, and meta if the
// reply to connect or the token set it.
//
//	connect    data, name, version, channels   which user is this client, which has no token?
//	refresh                                    expire_at has come: may the connection stay?
//	subscribe  channel, data                   may the client join without a token for this room?
//	publish    channel, data                   may the client publish this, or say it with the calls send or edit?
//	rpc        method, data                    a call that webim does not know
//	disconnect channels, code, reason, at      a notice: the connection is closed (code 1006: without a Close frame; at in milliseconds)
//
// The reply has status 200 or another 2xx, and one of these bodies:
//
//	{"result":{…}}                                           accept; {} is enough, except for connect and rpc
//	{"error":{"code":403,"message":"…","temporary":false}}   refuse, and tell the client why
//	{"disconnect":{"code":4500,"reason":"…"}}                refuse, and close the connection
//
// A result may have
//
//	connect    user ("" is anonymous), expire_at, info, data, meta, channels, subs ({ROOM: {info, data, override}})
//	refresh    expired, expire_at, info
//	subscribe  expire_at, info, data, override
//	publish    data (replaces the client's data), skip_history
//	rpc        data
//
// b64info and b64data carry info and data in base64. Times are in seconds since 1970. There,
// [] counts as {}, and null as absent. Unknown fields are ignored.
//
// A reply that its author may have meant as a refusal is never an acceptance. Every other
// reply is invalid: null, [], "ok", {"status":"denied"}, {"result":null}, two of result,
// error and disconnect together, a name that appears twice or differs from a known name in
// case, as {"Error":…}, another status, a redirect, a body over 1 MiB, and a reply after the
// timeout. After an invalid reply, HooksConfig.Open decides: webim either tells the client to
// try again, or goes on as if the hook did not exist. refresh is an exception: webim asks
// again every second, and after 25 s it closes the connection with 3005.
//
// A client that the connect hook accepted has no token to refresh. So neither the reply to
// connect nor the push of a refresh tells it when its connection expires. At expire_at webim
// calls the refresh hook. If there is no refresh hook, webim closes the connection with 3005,
// the client reconnects, and webim calls connect again. A subscription ends at the expire_at
// of the subscribe reply, with 2501, after which clients subscribe again.
//
// Each hook has its own limit of concurrent requests (places.go). One user, or one address
// without a token, gets only a share of it. Further requests wait, and users and addresses
// take turns. If a request waits too long, webim tells the client to try again (111),
// whatever Open says: a busy hook is not a backend that fails to reply. webim may send a hook
// request twice, except publish and rpc, which may change something at the backend.
//
// Notices of disconnects are sent one after the other, for connections whose connect
// succeeded. If the backend does not reply with 2xx, webim tries the notice three more times
// and then drops it. A restart of webim loses the notices that wait.
//
// If a secret is configured, every request has SignatureHeader. To check it in Python:
//
//	t, v1 = (p.split("=")[1] for p in headers["X-Webim-Signature"].split(","))
//	good = hmac.compare_digest(v1, hmac.new(secret, t.encode() + b"." + body, "sha256").hexdigest())
//	fresh = abs(time.time() - int(t)) < 300
package api
