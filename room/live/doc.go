// Package live serves the live picture of a node: once a second, its current state and load,
// for the operators; the counts of all nodes; and the places of a user's connections and of rooms. The page is in
// web/live; this package sends the data.
//
//	feed.go    Feed: the netpoll.Handler; the watchers
//	enter.go   the first message of a watcher, and its authorization
//	find.go    the search for a user, a connection, an address or rooms; the connections that have ended
//	nodes.go   the counts of all nodes, and the search on the other nodes
//	inspect.go the walks: the largest rooms, the slowest connections, those of a user
//	trace.go   the trace of a user or a room
//	figures.go the figures of one second
//	wire.go    the messages on the socket
//
// # The socket
//
// The socket is at FeedPath. Each text message is one JSON value. A watcher authenticates with
// its first message, by a key of the server API or by the token of a moderator or admin of all
// rooms. It does not use the handshake for that, because browsers cannot set headers there, and
// addresses are logged:
//
//	→ {"key":"…"}   or   {"token":"…"}
//	← {"hello":{"node":"…","version":"webim 1.0","every":1000,"methods":["disconnect",…]}}
//	← {"past":[figures,…]}             the last ten minutes, as far as somebody watched; the oldest first
//	← {"now":figures,"largest":[room,…],"slowest":[connection,…]}       each second
//	← {"nodes":{"at":1764201600000,"all":[node,…],"missing":false}}     with every fifth figures
//	→ {"find":{"user":"ann"}}   or   {"find":{"client":"5b0c…"}}   or   {"find":{"ip":"192.0.2.7"}}   or   {"find":{"room":"team-*"}}
//	← {"found":{"user":"ann","client":"","ip":"","room":"","at":1764201600000,"all":2,"connections":[connection with rooms,…],
//	   "nodes":[{"node":"…","count":1}],"elsewhere":[{"client":"…","user":"ann"}],"rooms":[],"ended":[flight.Record,…],"missing":false}}
//
//	→ {"trace":{"user":"ann","seconds":300}}   or   {"trace":{"room":"tea","seconds":300}}   or   {"trace":{}}, which ends it
//	now has the trace: "trace":flight.TraceView
//
// The feed closes a connection that does not authenticate in time, sends anything else, or
// loses its right to watch, because its token has expired or was revoked or because its key was removed. The close code is one
// of the Codes.
//
// methods lists the methods of the server API that the page can call at the address from which
// it was loaded; the page uses that API for all actions. In now and past, and in the connections of
// found, everything is about this node alone. The message nodes, and nodes, elsewhere and rooms of
// found are about all nodes: the feed asks them by engine.Control. If a node does not answer,
// missing is true.
//
// # Cost
//
// Nothing while nobody watches. Otherwise, once a second, and not on a worker, the feed walks
// once over the connections, once over the rooms for the watchers with a key, and once for
// those with a token. A walk takes some 100 ns per item (3 ms of CPU a second with 10,000
// connections in 1,000 rooms), and locks one room at a time. Every fifth time the feed also asks
// all nodes for their counts, and each node walks over its rooms. A message is encoded once for
// all watchers of a kind, so another watcher costs one write a second. A watcher that does not
// read is closed like any slow client. The feed keeps Config.Past figures.
//
// The rule: nobody can keep an operator out. A user has a share of Config.MaxWatchers. The same
// number of connections may wait for authentication; above it, the oldest one of the address
// with the most gives way to a new one. One find runs at a time, and a watcher that searches
// too often waits (findRate).
//
// # Lock order
//
// In this list, A → B means that a goroutine that holds A may lock B.
//
//	Feed.finding  →  the locks of the hub and its rooms, and netpoll's
//	Feed.mu       →  netpoll's, those of budget.Pool and of package moderation
//
// Feed.finding is held during a walk for a find, so that one runs at a time. Feed.mu guards the
// watchers, the connections that wait to become one, and the figures. No walk runs under it.
package live
