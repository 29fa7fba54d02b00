// Package head reads the heads of HTTP requests and answers upgrades to WebSocket, in slices of
// bytes.
//
// A request that RFC 9110 or RFC 9112 permits, in whatever form, is read as the RFC says. Input that
// the RFCs leave to the server, and that could smuggle one request inside another, is an [Error].
//
//	file          contents
//	scan.go       finds the end of a head that arrives in pieces
//	head.go       Head: request line and header fields
//	check.go      the conditions of an upgrade (RFC 6455, section 4.2.1)
//	negotiate.go  subprotocol, extension and the answer 101 (RFC 6455, section 4.2.2)
//	extension.go  permessage-deflate (RFC 7692)
//	uri.go        paths and origins
//	errors.go     the answers other than 101
//
// Package net/http would need a goroutine and buffers for each head, and gobwas' Upgrader wants the
// request rewritten and sends its answer through two buffers: 1 µs and eight allocations of the 9 µs
// that a handshake costs outside the kernel. The Upgrader is the oracle of the tests.
package head
