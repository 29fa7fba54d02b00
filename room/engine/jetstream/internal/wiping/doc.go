// Package wiping knows which removed messages may still be in the files of the store: the removals that a node looks after, and the
// rooms whose messages it overwrites, in turn.
//
// # Lock order
//
//	List.mu  nothing is locked under it
package wiping
