// Package window keeps the newest part of a room's log in memory. Engines use it: the memory engine
// for its histories, and an engine over a network so that it need not read again the messages that it has just
// seen.
//
//	window.go     Window: appending and reading
//	retention.go  Window.Trim: which publications are forgotten, and when
//	encoding.go   the bytes of a publication
//	blocks.go     the two blocks of memory
//	move.go       a window is written down for another process
//
// A window has two blocks of memory without pointers: entries of 48 bytes, and the bytes of their
// content. The garbage collector does not scan these blocks, and they are reused. So a publication
// that is kept allocates nothing once the window has reached its limits. Reading copies, because
// publications outlive their entries.
//
// Messages have one quota, and events another. So an event never takes the place of a message.
//
// # Vocabulary
//
//	entry       a publication in a window
//	place       an entry that is left without content, because its offset is still needed
//	dead bytes  bytes in a window that no entry uses
//	retention   the limits of a window
//	floor       the offset behind which the window has everything
//
// Package window imports only packages engine and snapshot. It has no mutex: the lock that guards a window is the
// caller's.
package window
