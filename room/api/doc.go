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
//	api.go      Config, Handler: what is asked, and how much
//	guard.go    Guard: whose key is good, and which names are ours
//	method.go   the table of methods; from bytes to a call and back
//	publish.go  publish, broadcast, send
//	control.go  subscribe, unsubscribe, disconnect, refresh, revoke
//	rooms.go    history, history_remove, presence, presence_stats, channels, info
//	batch.go    batch
//	lines.go    POST /api: the older form, {"method":…,"params":…} a line
//	errors.go   what goes wrong, in Centrifugo's codes
//	openapi.go  the description
//
// # Who may ask
//
// Whoever has a key, in the header X-API-Key or as "Authorization: apikey KEY".
// Never in the address: addresses are logged. A browser's page on a foreign site
// cannot ask: no CORS header is ever sent, and a Host that is a name, which that
// site's owner could have pointed here, must be one that is configured.
//
// # What is strict
//
// A field that is not known, is there twice, differs in case or is not of its
// type makes the request bad: a misspelt idempotency_key would otherwise be a
// promise that is not kept. null is as good as nothing. Only the older form, POST
// /api, is lenient with requests, as its client libraries need.
//
// # Idempotent sends
//
// A publish or broadcast with an idempotency_key that came before, within five
// minutes and in the same room, is not published again: the answer has the first one's
// offset. If its data or tags are others it is refused with 113. The engine
// remembers the keys, 65,536 by default, and forgets the oldest beyond that.
package api
