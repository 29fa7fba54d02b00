// Package hooks asks the application's backend by HTTP, and tells it about closed connections: Hooks
// implements backend.Backend.
//
//	hooks.go    Config and Hooks: limits, sending a request, signatures
//	json.go     the JSON of requests and replies
//	notices.go  the notices of disconnects
//	stats.go    the numbers of requests, by outcome, and their times
//
// # Rules
//
//   - A hook is a request over which the backend decides. A notice asks nothing.
//   - A reply that is not exactly an acceptance is never one.
//   - Hooks do not delay each other: each has its own slots and its own HTTP client.
//   - Ask never blocks. It calls done once, on another goroutine.
//
// # Requests and replies
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
// timeout. After an invalid reply, Config.Open decides: webim either tells the client to
// try again, or goes on as if the hook did not exist. refresh is an exception: webim asks
// again every second, and after 25 s it closes the connection with 3005.
//
// A client that the connect hook accepted has no token to refresh. So neither the reply to
// connect nor the push of a refresh tells it when its connection expires. At expire_at webim
// calls the refresh hook. If there is no refresh hook, webim closes the connection with 3005,
// the client reconnects, and webim calls connect again. A subscription ends at the expire_at
// of the subscribe reply, with 2501, after which clients subscribe again.
//
// Each hook has its own limit of concurrent requests. One user, or one address
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
//
// # Goroutines
//
// Each request has a goroutine from the time it has a slot until done returns; one that finds no
// slot has a goroutine for done alone. One more goroutine sends the notices, in the order in which
// the connections closed. Close waits for all of them.
//
// # Lock order
//
//	Switch.mu  →  the slots' of package budget, and the logger's
//
// Switch.mu is held for reading during Ask, which does not block, and for writing while the notices that wait pass to other Hooks. The slots call Start and Refuse without their own
// mutex; Refuse and Start answer on goroutines of their own, and so may call into the room.
//
// # Vocabulary
//
//	hook     a kind of request to the backend: connect, refresh, subscribe, publish or rpc
//	reply    the body of the backend's response; without a valid one, Config.Open decides
//	notice   tells the backend that a connection is closed
//	slot     lets one request run; each hook has Config.Concurrency of them
//	payer    the user, or the address without a token, that pays for a slot
package hooks
