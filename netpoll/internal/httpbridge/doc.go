// Package httpbridge gives connections of the event loop to net/http, and takes them back for an upgrade.
//
//	file       contents
//	bridge.go  Bridge: the http.Server of a listener
//	conn.go    Conn: a connection while net/http has it
//	conns.go   Conns: all of them, their slots, and which one may end for another connection
//
// A Conn begins with a descriptor, the TLS over memory of the loop, and the bytes that the loop has read.
// Go's own poller watches it then. It ends when net/http closes it, when it ends for another connection,
// or when it goes back to the loop.
//
// # Words
//
//	word     meaning
//	slot     one of a limited number of connections, a quarter of them for one address
//	idle     between two requests
//	stalled  the server has waited for the client for some time, within a request or an answer
//	upgrade  a request for a WebSocket on a connection that net/http has
//
// # Lock order
//
//	Conns.mu  →  package addrs's
package httpbridge
