//go:build race

package room_test

// pools says whether a sync.Pool gives back what it was given: the race detector drops
// some of it on purpose.
const pools = false
