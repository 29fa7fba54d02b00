// Package keyuse finds the keys of users with which the texts of the log are sealed. It reads whole messages, because the id of
// a key is a part of the sealed text.
//
//	set.go    Set: keys, and whether a text needs them
//	scan.go   Scan: reading a stream
//	newer.go  Newer: messages of a newer webim
//
// A reading has everything that was acknowledged before it began, whichever replica answers: it stores a message of its own at
// the end of the stream, the marker, and ends when it has read that. No name of a room gives the subject of a marker.
//
// Package keyuse has no mutex.
package keyuse
