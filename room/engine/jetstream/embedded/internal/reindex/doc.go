// Package reindex makes the start of a nats-server fast after its process was killed.
//
// A stream is a folder with blocks, which have the messages, and an index, which describes the blocks and
// counts the messages of each subject. nats-server writes the index when it stops, and every two minutes. If the
// index does not describe the end of the last block, nats-server reads each block twice, one after the other, and
// makes the index anew in memory: half a second for a million messages. This package reads the blocks once, on all
// processors, and writes the index before nats-server starts.
//
//	reindex.go   which streams get an index
//	block.go     reading a block
//	index.go     writing the index
//
// # Rules
//
//   - Nobody else may use the folder meanwhile.
//   - The machine must not have ended since the nats-server was killed. Otherwise messages may be missing, and
//     only nats-server finds out which.
//   - This package changes nothing but the index. nats-server makes the index anew if it does not understand it.
//   - This package leaves unusual things to nats-server: a damaged or unfinished record, an empty block, a file that
//     this package does not know, a setting of the stream that puts more into the index. So the index is
//     always the one that nats-server would make; a test compares the two.
//
// # Vocabulary
//
//	block      a file N.blk with records
//	record     a message, or what is left of an erased one, or a tombstone
//	tombstone  a record which says that the message with a sequence was deleted
//	deleted    a sequence between the first and the last message of a block that has no message
package reindex
