// Package entries keeps the entries of an engine's State in memory: the memory engine has no others,
// and an engine over a network answers all reads from such a copy. The versions of the entries are
// given by the engine.
//
//	entries.go  Entries: reading, and applying changes
//	reader.go   Reader: reading under a lock, for engine.State
//	watch.go    the watchers of the tables
//	expiry.go   the entries that expire, the next one first
//
// # Vocabulary
//
//	record   an entry in memory
//	group    the records of a table that have the same Key.Of
//	watcher  a function that is called with each change of a table
//	reserve  the part of the limit that is kept for bans and mutes: see engine.Reserve
//
// Package entries imports only packages engine, budget and snapshot. It has no mutex: the lock that guards Entries is the
// caller's, also with a Reader, and watchers are called under it.
package entries
