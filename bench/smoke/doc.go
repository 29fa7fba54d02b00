// Package smoke proves that a server has chat rooms, before anybody measures it.
//
// # Lock order
//
// run.mu is a leaf: no lock is taken under it.
package smoke
