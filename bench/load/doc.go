// Package load sends messages from a set of clients, checks every message that the clients receive, and reports whether the client's side was
// the bottleneck.
//
// # Lock order
//
// Sampler.mu is a leaf: no lock is taken under it.
package load
