// Package encode makes the frames of messages: once for each variant in use, never once for each receiver.
//
//	file       contents
//	frame.go   Frame: a message for any number of receivers; One: a message for one of them
//	log.go     Log: a stream of frames that many connections get; Cut: a stretch of it
//
// A log keeps its frames in segments, whose memory is reused by any log: see output.Segment. It grows
// with the traffic of its room, and holds nothing while nothing is pending.
//
// # Words
//
//	word      meaning
//	variant   one of the encodings of a frame: plain, compressed, compressed with a small window
//	position  a count of bytes since a log's beginning; it always lies between two frames
//	mark      the end of a frame in a segment at which a cut may end
//
// # Lock order
//
// Frame.mu is a leaf: nothing is locked under it.
package encode
