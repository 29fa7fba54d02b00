//go:build race

package encode

// pools says whether a sync.Pool gives back what it was given: the race detector drops
// some of it on purpose.
const pools = false
