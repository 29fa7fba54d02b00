// Package retire removes keys of users with which no stored text is sealed any more, without ever removing one that a
// text needs. It has the rules, which are the same on all nodes; package jetstream does the work.
//
//	round.go  Round: an entry of the State that all nodes follow
//	view.go   View: what a node knows of it, and whether a key may seal
//
// # A round
//
//	Idle ──► Scanning ──► Naming ──► Deleting ──► Idle
//
// One node, the collector, moves the round on: each step is a write of the entry that names the version before, so of two
// collectors one fails.
//
//   - Scanning: the collector reads the whole log, and finds the keys that no text needs.
//   - Naming: the entry names some of these keys. A node that wants to seal with a named key keeps it first: it writes an entry
//     of its own, and goes on when its copy of the State has that entry and the round is still in this phase. The collector waits
//     for Wait, then reads what the log has got since the scan, and leaves out the keys that are needed now.
//   - Deleting: a named key that nobody has kept before this entry was written is doomed: no node seals with it. All entries of
//     the State have one order, so all nodes agree on these keys. The collector deletes them, by the sequences that they have in
//     their stream: a key that a user gets later has another one. A node whose user wants to say something now deletes the doomed
//     key itself.
//
// # Why no text loses its key
//
// A text may be sealed on a node that does not know of the round: its copy of the State is old, or it stands still between
// sealing and sending. So a node answers for each text after the store has it:
//
//   - It compares the round with that before sealing, and asks whether the key is named. If neither has changed, and the copy had
//     all entries of the State at a time that is at most Fresh ago, then a round that the copy does not have was written later
//     than that. Its collector reads the log at least Wait after that, when the text was stored. Fresh is half of Wait, so clocks
//     may differ in speed, and never have to show the same time.
//   - Otherwise the node writes an entry, the probe. When its copy has that, it has all that the State had when the text was
//     stored. Then the node asks for the key. If it is doomed, the node opens the text, which it still can, and stores it again
//     under another key. The sender hears of it only after that.
//
// So each text whose sender was told that it is stored has a key. A node that ends before it has told that may leave a message
// that nobody can read, as that of an erased user; its sender was told nothing. If the sender sends it again, the node that gets
// it does not yet say that it is there: it asks for the key of the stored text as above. If that is gone, it stores the message
// once more.
//
// # Older nodes
//
// A node of webim 0.1.0 does none of this. So a round removes nothing while one is there: the beats of the others say that they
// know rounds (package cluster), and a collector begins only if it has heard no other beat for Wait, and deletes only if it has
// heard none since it named the keys. Such a node that was silent for so long has lost its connection. Before a round begins, the
// State gets a format that webim 0.1.0 refuses when it starts, and when it connects again.
//
// If a collector ends or is cut off, others abandon its round, unless it is in the phase Deleting: this they complete. To do so
// twice does no harm.
//
// # Rules
//
//   - A round has a random id, so a State that was set back does not bring back a round that nodes have seen end.
//   - Each node forgets all keys in memory before it follows a round on: one may have been deleted. It reads no key after that
//     before it has proved that the server which answers has all deletions: see keys.Store.Doubt.
//
// # Lock order
//
// View.mu is innermost.
package retire
