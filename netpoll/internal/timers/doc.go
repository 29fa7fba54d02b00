// Package timers keeps the timers of a server, so that all of them end with it.
//
// # Lock order
//
// Set.mu is a leaf: nothing is locked under it.
package timers
