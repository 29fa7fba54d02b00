// Package memory is the engine inside one process: everything that it stores is lost when the
// process ends.
//
// # Rules
//
//   - Package memory imports only packages engine, window, entries, published, budget, nametable and snapshot.
//   - Every store has a limit and charges a payer. If a store is full, the payer with the largest
//     share loses its oldest data first.
//   - A publication that is kept allocates nothing once its room keeps as many as it may.
//   - All callbacks named done run before the method returns, with no lock held.
//
// # How a room is stored
//
// A topic is the engine's record of a room (memory.go, topic.go). It takes 128 bytes while the
// room has no history, and it is in a list in which the topic that was used longest ago is first.
// The history of the room is the topic's journal, a window.Window, which exists only while there is a
// history. File retention.go decides which topics lose their journals, and when. After each call, the
// payer of a topic is charged once for the difference (Engine.settle).
//
// Topics that are made one after the other share an epoch, until one of them is forgotten or
// begins a new epoch. So no room gets an epoch twice, and an epoch needs no memory for each room.
//
// # Vocabulary
//
//	topic        the record of a room
//	journal      the history of a topic
//	memory state the State of this engine: entries.Entries with a lock and a clock
//	keys         the table of messages with a Key that were published not long ago
//	expiry       when an entry of the State, or a key, is removed
//
// # Lock order
//
// A mutex on the left may be held while a mutex on the right is locked.
//
//	Engine.mu  →  topic.mu  →  the subscriber's locks
//	Engine.mu  →  state.mu  →  the watchers' locks
//
// The mutex of a hubs.List is innermost. The mutex of published.Keys is taken under topic.mu, and that of a
// budget.Pool under any of these; nothing is locked under a pool's. Engine.mu is taken before topic.mu because a topic may
// only be removed from the table while its own mutex says that it is unused; publishing takes both
// one after the other, and holds only topic.mu while it delivers. No lock of the engine is held
// while nodes or done callbacks are called.
package memory
