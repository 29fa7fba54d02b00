// Package api is the server API: what an application's backend tells webim to
// do, over HTTP, in the shape of Centrifugo's, so that the client libraries of
// that work.
//
//	POST /api/publish
//	X-API-Key: …
//
//	{"channel":"lobby","data":{"text":"hi"}}
//
//	200 {"result":{"offset":8,"epoch":"…"}}
//	200 {"error":{"code":107,"message":"bad request: channel is missing"}}
//
// Every field, method and error is in openapi.json, which GET
// /api/openapi.json serves; a test compares it with the handlers.
//
//	api.go       Config, Handler: what is asked, and how much
//	guard.go     Guard: whose key is good, and which names are ours
//	who.go       who asks: a backend, or a moderator
//	key.go       a backend's key, and what it opens
//	method.go    the table of methods; from bytes to a call and back
//	neutral.go   values that ask for nothing
//	publish.go   publish, broadcast, send
//	control.go   subscribe, unsubscribe, disconnect, refresh, revoke
//	rooms.go     history, history_remove, presence, presence_stats, channels, info
//	sanctions.go ban, unban, mute, unmute, kick, sanctions
//	batch.go     batch
//	lines.go     POST /api: the older form, {"method":…,"params":…} a line
//	errors.go    what goes wrong, in Centrifugo's codes
//	openapi.go   the description
//	hooks.go     Hooks: the other way round, what webim asks the backend
//	hookjson.go  questions and answers
//	places.go    how many questions are under way, and whose turn it is
//	notices.go   the notices of disconnects
//
// # Who may ask
//
// Whoever has a key, in the header X-API-Key or as "Authorization: apikey KEY". A key
// has a name, which log lines have as by="key NAME", and may have rights: methods,
// everywhere or in rooms that match, as publish@team-* (key.go). A right in rooms opens
// only requests that name rooms, all of which match. As
// "Authorization: Bearer TOKEN" the token of a moderator of all rooms opens what
// that role may do in each, by the rights of the room and unless a ban binds the user
// or the address: the judge is the one that sockets ask, package room/policy. So it
// opens no private rooms; nor does it lift what an admin or a key imposed. Never in the address: addresses are logged. A browser's page on
// a foreign site cannot ask: no CORS header is ever sent, and a Host that is a name,
// which that site's owner could have pointed here, must be one that is configured.
//
// # What is strict
//
// A field that is not known, is there twice, differs in case or is not of its
// type makes the request bad: a misspelt idempotency_key would otherwise be a
// promise that is not kept. null is as good as nothing; so are [] and other values
// without content where an object is expected, since PHP writes an empty map
// as [], and so is a field that is not known and has no content, as "version":0
// (neutral.go). Only the older form, POST
// /api, is lenient with requests, as its client libraries need.
//
// # Idempotent sends
//
// A publish or broadcast with an idempotency_key that came before, within five
// minutes and in the same room, is not published again: the answer has the first one's
// offset. If its data or tags are others it is refused with 113. The engine
// remembers the keys, 65,536 by default, and forgets the oldest beyond that.
//
// # Authors
//
// publish and broadcast may name an author, by user and info, whom receivers see as they
// see people. The tag via=api, which no client can set, says that the backend said it.
//
// # Hooks
//
// A hook is a POST with a JSON body, in the shape of Centrifugo's proxies. All have
// client (the connection's id), transport ("websocket"), protocol ("json" or
// "protobuf") and encoding ("json"; "binary" where the client's data is no JSON, and
// comes as b64data); those about somebody who is in have user, and meta if connect
// answered one or the token has it.
//
//	connect    data, name, version, channels         who is this, that has no token?
//	refresh                                           is it still good, now that expire_at has come?
//	subscribe  channel, data                          may it join, without a token for that room?
//	publish    channel, data                          may it say that: by publish, or the calls send and edit?
//	rpc        method, data                           a call that webim does not know
//	disconnect channels, code, reason, at             a notice: it is gone (code 1006: without a close frame; at in milliseconds)
//
// The answer has status 200, or another 2xx, and is one of
//
//	{"result":{…}}                                     yes; but for connect and rpc {} will do
//	{"error":{"code":403,"message":"…","temporary":false}}   no, for the client to read
//	{"disconnect":{"code":4500,"reason":"…"}}          no, and the connection is closed
//
// where a result may have
//
//	connect    user ("" is anonymous), expire_at, info, data, meta, channels, subs ({ROOM: {info, data, override}})
//	refresh    expired, expire_at, info
//	subscribe  expire_at, info, data, override
//	publish    data (instead of what was said), skip_history
//	rpc        data
//
// with b64info and b64data for info and data in base64, and times in seconds since
// 1970. [] is as good as {} there, and null as not there. Other fields are passed over.
//
// What may have been meant as a no is never a yes. All else is no answer: null, [],
// "ok", {"status":"denied"}, {"result":null}, two of result, error and disconnect, a
// name that is there twice or differs from a known one in case, as {"Error":…}; and
// another status, a redirect, or what is over 1 MiB or comes too late. Then the client
// is told to try again, or the hook is as good as not there, as HooksConfig.Open says;
// but refresh is asked again each second, and after 25 s the connection ends, with 3005.
//
// Whom connect let in is never told when the connection expires, neither by the reply to
// connect nor by the push of a refresh, since it has no token to refresh: at expire_at
// refresh is asked, or, if there is no such hook, the connection
// ends with 3005, the client comes back, and connect is asked anew. A subscription ends
// at the expire_at that subscribe answered, with 2501, at which clients subscribe anew.
//
// Each hook has places of its own for the requests under way (places.go), of which one
// user, or one address without a token, has a share; whoever finds none waits, and they
// take turns. A client that waits too long is told to try again (111), whatever Open
// says: a busy hook is not one that does not answer. A hook that changes nothing (all but
// publish and rpc) may be asked twice.
//
// Notices of disconnects come one after the other, for whoever had connected. One
// that is not answered with 2xx is tried again three times, and then dropped. The
// notices themselves are not kept over a restart.
//
// With a secret each request has SignatureHeader. To check it in Python:
//
//	t, v1 = (p.split("=")[1] for p in headers["X-Webim-Signature"].split(","))
//	good = hmac.compare_digest(v1, hmac.new(secret, t.encode() + b"." + body, "sha256").hexdigest())
//	fresh = abs(time.time() - int(t)) < 300
package api
