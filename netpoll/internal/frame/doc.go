// Package frame reads and writes WebSocket frames (RFC 6455) and compressed messages (RFC 7692)
// in slices of bytes.
//
// It makes no system call, starts no goroutine and keeps no state between calls, except in the
// [Decoder] that the caller holds. So it is tested without a socket: each input is cut at each of
// its bytes, and compared with a second decoder that is written in another way.
//
//	file        contents
//	header.go   headers of frames: parse, check, append
//	decoder.go  bytes of a client in, messages and control frames out
//	move.go     an unfinished message, for another process
//	close.go    the payload of a Close frame
//	utf8.go     UTF-8 that arrives in pieces
//	deflate.go  permessage-deflate: compress and inflate whole messages
//	errors.go   violations of the protocol, each with its close code
//
// # Words
//
//	word      meaning
//	header    the first 2 to 14 bytes of a frame
//	fragment  a frame that is a part of a message
//	event     a whole message or a whole control frame
//	window    how far back a compressed message may refer to itself
package frame
