// Package unfinished keeps the bytes of clients that are no message yet, and counts them for all clients:
// heads of requests, and parts of messages and frames.
//
//	file      contents
//	total.go  Total: the bytes of all connections, with a limit
//	input.go  Input: the bytes of one connection between two turns; Part: the state of their decoding
//
// It has no lock: the turn of a connection owns its Input. Total, and Input.Held, are safe for concurrent
// use.
package unfinished
