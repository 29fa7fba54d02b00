// Package jobs runs functions that may wait on a bounded number of goroutines.
//
// A Pool has no goroutine while there is no job. Jobs begin in the order in which they were given. The
// queue has no limit of its own: whoever gives jobs bounds them.
//
// # Lock order
//
// Pool.mu is innermost: nothing is locked under it.
package jobs
