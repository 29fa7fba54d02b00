// Package engine defines the interface between rooms and the store behind them: a log of
// messages for each room, a store of small entries, and messages between nodes. It has
// contracts, types and pure functions only. Package engine/memory implements it inside one
// process, and engine/jetstream on a store that several nodes may share. Packages window, entries
// and published are parts that engines are built from.
//
// # Rules
//
//   - Package engine imports only packages budget and name. It never imports package room.
//   - Packages below engine import engine and nothing above it. Packages memory and others that
//     implement Engine do not import each other.
//   - Nothing outside an engine assumes that all members of a room are on this node.
//   - An engine never blocks its caller, and never calls a callback while it holds a lock that
//     it takes to call a Subscriber, a Node or a watcher.
//
// # Vocabulary
//
//	publication    a message that has an offset in the log of a room
//	position       an epoch and an offset: a place in the log of a room
//	epoch          names one life of a room's log; within it, offsets only grow
//	history        the publications of a room that the engine still keeps
//	retention      how much of a room's log the engine keeps
//	event          a publication with a CompactKey: it says how something is now
//	superseded     said of an event when a later event has the same CompactKey
//	idempotency    publishing a message with the same Key twice publishes it once
//	payer, owner   the user or address that is charged for stored bytes; zero is the server
//	entry          a versioned value of the State, with a Key
//	watcher        a function that the State calls with each change of a table
//	reserve        the part of the State that is kept for bans and mutes
//	subscriber     a room on a node, to which the engine delivers publications
//	node           a process with a hub, as the engine knows it
//	erase          make everything that a user has said unreadable for ever
//	tombstone      an entry of the State that says that a user was erased
//	control        a message to all nodes, each of which applies it to its connections
//	node info      what a node reports about itself when an engine collects it
//
// Package engine has no mutex, and so no lock order. The lock order of an implementation is in
// its own doc.go.
package engine
