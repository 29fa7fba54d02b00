// Package control acts on the connections of this node for other parties than their clients: for control
// messages, which reach all nodes, for bans, for revoked tokens, and for erased users.
//
//	control.go     Controller: registers sessions; checks and sends control messages
//	apply.go       applies a control message to the connections of this node
//	bans.go        ends the connections and memberships that a ban forbids
//	revocation.go  stores the revocation of tokens, and ends the connections that have them
//	erasure.go     ends the connections of a user that was erased
//	lookup.go      finds the connections: those of a user, of a room, all of them
//
// A change of the State that takes something from somebody has no control message of its own: the engine tells it to the other
// nodes at once, and brings it with the stream of the State (engine.Key.IsUrgent). So the watchers of this package, and those of
// package moderation, are the one place where it is enforced.
//
// A backend or a moderator sends a control message (Controller.Send). The engine brings it to each node,
// and the node applies it to its own connections (Controller.Apply). Bans, revocations and erasures are entries
// of the engine's State. Each node follows their tables, so a node that starts later enforces them too.
//
// # Rules
//
//   - A session is registered before its connect reply, and then checked for bans and revocations. So
//     either the check finds them, or they find the session.
//   - A session applies a control message by itself (identity.Session.Apply). A plain connection can only
//     be closed, also where a session would leave its room.
//   - Whoever owns a room can cause a walk over its connections. A walk over all connections of the server
//     is for operators and for moderators of all rooms.
//   - A change of the State holds when its watcher returns: the watcher notes bans and revocations where the judge looks.
//     Nothing that admits a client waits for posted work. The State calls its watchers with its locks held, so they post
//     the work on connections (Config.Post), except at the start, when there are none.
//   - A revocation in the State is never weakened: the later time of issue and the later end count.
//
// # Vocabulary
//
//	control message  an instruction to all nodes about the connections of a user or a client
//	target           the connections that a control message is for
//	enforce          end the connections and memberships that a ban forbids
//	bearer           a plain connection that has a token
//
// Package control has no mutex, and so no lock order. It takes the locks of identity.Table, of sessions, and
// those under which Config.Conns lists the connections of a room, one after the other.
package control
