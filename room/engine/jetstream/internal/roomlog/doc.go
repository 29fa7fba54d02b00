// Package roomlog reads the log of one room: forwards and backwards, with the stubs of redacted publications in their
// places.
//
//	reader.go   Reader: the logs of all rooms
//	log.go      Log: the log of one room, its end, and the offset up to which it has nothing left
//	scan.go     reading the publications in a range of offsets, newest or oldest first
//	between.go  reading a range of offsets, several parts at a time
//	page.go     the part of a log that somebody asks for
//	since.go    the publications that a client has missed
//	behind.go   reads that a server of a cluster answers which is behind
//	tallies.go  how many messages a room keeps
//	limits.go   the limits of all this
//
// Calls wait for the store, so only jobs make them.
//
// # Vocabulary
//
//	Back, Depth  a publication some steps before a stored one, and how many steps: see scan.go
//	tip          the last publication of a room, as its successor needs it: codec.Tip
//	top          the newest publication of a room when a scan of its log begins
//	cut          the offset up to which the history of a room was removed, or has become too old
//	stub         the rest of a redacted publication: package stubs
//	page         a part of the log that is older than the recent publications
//	recent       the newest publications of a room, of which a node holds some in memory
//
// # Lock order
//
// roomTally.mu is held while the log is read. tallies.mu is innermost.
package roomlog
