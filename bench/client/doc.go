// Package client holds many WebSocket clients in one process: in the plain or the Centrifuge dialect, with or without TLS.
//
// # Lock order
//
//	Client.mu    →  transport.mu
//	Fleet.mu     →  nothing
//	Receiver.mu  →  nothing
//
// Send and flush write to the socket under Client.mu; the sockets do not wait.
package client
