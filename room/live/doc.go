// Package live is the live picture of a node: what it holds and does just now, once
// a second, for those who run it, and where a user's connections are. The page is
// web/live; here is what feeds it.
//
//	feed.go    Feed: the netpoll.Handler; who watches
//	enter.go   the first message: who may watch
//	find.go    where is a user, or a connection
//	figures.go what is seen in a second
//	wire.go    what goes over the socket
//
// # The socket
//
// At FeedPath, in JSON, one text message each. A watcher says who it is, by a key of
// the server API or by the token of a moderator or admin in all rooms; browsers can
// set no header, and what is in an address is logged:
//
//	→ {"key":"…"}   or   {"token":"…"}
//	← {"hello":{"node":"…","version":"webim 1.0","every":1000,"methods":["disconnect",…]}}
//	← {"past":[figures,…]}             the last ten minutes, as far as somebody watched; the oldest first
//	← {"now":figures,"largest":[room,…],"slowest":[connection,…]}       each second
//	→ {"find":{"user":"ann"}}   or   {"find":{"client":"5b0c…"}}
//	← {"found":{"user":"ann","client":"","at":1764201600000,"all":2,"connections":[connection with rooms,…]}}
//
// Who says nothing in time, says it wrong, or may not watch any more (its token ran
// out or was revoked) is closed, with one of the Codes.
//
// The names of methods are those of the server API that can be called where the page
// was loaded from; what is to be done to somebody is done by that. Figures are of
// this node alone.
//
// # What it costs
//
// Nothing while nobody watches. Then, once a second and on no worker, a walk over
// the connections and one over the rooms for those with a key and one for those with a
// token, some 100 ns for each (3 ms of CPU a second with 10,000 connections in 1,000
// rooms, of which each is locked for itself); the message is encoded once for all
// watchers of a kind. So another watcher costs a write a second. A watcher that does not
// read is closed as any slow client is. Config.Past figures are kept.
//
// The rule: nobody keeps an operator out. A user has a share of Config.MaxWatchers. Of
// the connections that have not said who they are, as many may wait, and the oldest one
// of the address with the most gives way to a new one. There is one find at a time, and
// a watcher that asks without end waits (findRate).
package live
